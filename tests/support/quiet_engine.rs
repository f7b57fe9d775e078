//! The custom engine without its lines on standard error.

use trolleybus::engine::custom::{CustomEngine, CustomSettings};

pub(crate) fn quiet_engine() -> CustomEngine {
    CustomEngine::new(CustomSettings::default().log(|_| ())).expect("the settings are in range")
}
