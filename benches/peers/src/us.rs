//! Our side. It joins when the bus can be started; until then the peers are measured alone.
use crate::harness::Case;
#[cfg(feature = "memory")]
use crate::peers::channels;
use crate::scenarios::Seen;
pub fn inline(_: usize, _: usize) -> Vec<Case> {
    vec![]
}
pub fn inline_threads() -> Vec<Case> {
    vec![]
}
pub fn patterns(_: &str, _: &[String]) -> Vec<Case> {
    vec![]
}
pub fn burst(_: usize) -> Vec<Case> {
    vec![]
}
pub fn two_cores(_: usize) -> Vec<Case> {
    vec![]
}
pub fn pool(_: &str, _: usize, _: usize, _: usize) -> Vec<Case> {
    vec![]
}
pub fn latency(s: &Seen) -> Box<dyn FnMut(u64) + Send> {
    let s = s.clone();
    Box::new(move |x| s.arrive(x))
}
pub fn subscribe_wide(_: &str, _: usize) -> Vec<Case> {
    vec![]
}
pub fn subscribe_deep(_: &str, _: usize) -> Vec<Case> {
    vec![]
}
pub fn inline_deep(_: &str, _: usize) -> Vec<Case> {
    vec![]
}
#[cfg(feature = "memory")]
pub fn receivers(n: usize) -> (impl crate::drive::Publish, Vec<impl crate::drive::Receive>) {
    channels::one(channels::crossbeam(1, n))
}
#[cfg(feature = "memory")]
pub fn pooled(n: usize) -> Vec<Box<[u8]>> {
    (0..n).map(|_| vec![0; 100].into()).collect()
}
