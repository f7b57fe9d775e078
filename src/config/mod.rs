//! Configuration from files, the environment and code.
//!
//! ```text
//! YAML  JSON  TOML      environment   set()
//!    \   |    /             |          |
//!     tree of values with places  <- values for paths     merged, later ones win
//!                   |
//!                 Config  (what code sets)  -> BusBuilder
//!                   |
//!                 Settings of each engine   -> a type of the engine's author
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `keys.rs`, `reference.rs`, `keys.md` | the one table of keys, and the documentation that is made of it |
//! | `config.rs`, `set.rs`, `engine.rs` | [`Config`], its setters, [`EngineSettings`] and [`Rule`] |
//! | `loader.rs`, `merge.rs`, `env.rs` | [`ConfigLoader`]: what comes from where, and which one wins |
//! | `value.rs`, `format.rs`, `yaml.rs`, `json.rs`, `toml.rs` | the tree, and its readers |
//! | `read.rs`, `parsed.rs`, `check.rs`, `scalar.rs` | from the tree to a `Config`; what must hold |
//! | `problem.rs`, `nearest.rs` | [`ConfigError`]: all that is wrong, and where |
//! | `settings.rs`, `de.rs`, `de_error.rs` | [`Settings`] of an engine, read through serde |
//! | `secret.rs`, `print.rs` | [`Secret`], masks, the effective configuration as text |
//! | `registry.rs`, `build.rs` | types of engines by name; from a `Config` to a builder |

mod build;
mod check;
#[expect(clippy::module_inception, reason = "the file of `Config`")]
mod config;
mod de;
mod de_error;
mod engine;
mod env;
mod format;
mod json;
mod keys;
mod loader;
mod merge;
mod nearest;
mod parsed;
mod per_topic;
mod print;
mod problem;
mod read;
mod reference;
mod registry;
mod scalar;
mod secret;
mod set;
mod settings;
mod toml;
mod value;
mod yaml;

pub use config::Config;
pub use engine::{EngineSettings, Rule};
pub use format::Format;
pub use loader::ConfigLoader;
pub use problem::{ConfigError, ConfigProblem, ConfigProblemKind};
pub use registry::{DuplicateEngineType, EngineRegistry, HumanDuration};
pub use secret::Secret;
pub use settings::Settings;
