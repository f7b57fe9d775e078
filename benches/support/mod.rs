//! What every benchmark begins with; what some share stands in a file each beside this one.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;

/// 64 bytes, as most events are about.
pub(crate) type Payload = [u64; 8];

/// A fresh payload, which the compiler cannot foresee.
#[inline]
pub(crate) fn payload(number: u64) -> Payload {
    black_box([number; 8])
}

/// Short enough for all groups to end in about 6 minutes; `--measurement-time` and its kin overrule it.
pub(crate) fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .without_plots()
        .configure_from_args()
}
