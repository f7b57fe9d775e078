//! A pair of fences of which one side pays for both.
//!
//! Two threads that each write one word and then read the other's need a full fence between the two steps, or both
//! may read what was there before. Where one side does so for every event and the other seldom, the seldom one can
//! make the other threads execute the fence: the kernel interrupts those that run just now (`membarrier(2)`, private
//! expedited, Linux since 4.14), and those that do not run have passed a fence when they were put aside. The side that
//! is often there then needs no more than that its compiler keeps the order.
//!
//! A [`Light`] and a [`heavy`] fence order what stands around them as two `SeqCst` fences do; that is what they are
//! under loom, and where the kernel has no such call. Two light ones order nothing. (The pair is proposed for C++ as
//! P1202, and is what user-space RCU and most hazard pointers stand on.)

#[cfg(loom)]
pub(crate) use loom_pair::{Light, heavy, prepare};
#[cfg(not(loom))]
pub(crate) use real::{Light, heavy, prepare};

#[cfg(not(loom))]
mod real {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

    /// Set when heavy fences reach the other threads.
    static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

    /// The fence of the side that comes often.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Light {
        asymmetric: bool,
    }

    impl Light {
        /// For some fences in a row: how they have to be done.
        #[inline]
        pub(crate) fn new() -> Self {
            // Relaxed: who misses the mark uses the stronger fence.
            Self { asymmetric: ASYMMETRIC.load(Ordering::Relaxed) || is_asymmetric() }
        }

        #[inline]
        pub(crate) fn fence(self) {
            if self.asymmetric {
                compiler_fence(Ordering::SeqCst);
            } else {
                fence(Ordering::SeqCst);
            }
        }
    }

    /// The fence of the side that comes seldom: some microseconds if other threads run.
    pub(crate) fn heavy() {
        if is_asymmetric() {
            interrupt_all();
        }
        fence(Ordering::SeqCst);
    }

    /// Decides how fences are done. To be called before the first one is in a hurry: in a process with several threads
    /// the kernel takes some milliseconds, once.
    pub(crate) fn prepare() {
        is_asymmetric();
    }

    /// Decides, once for the process: nobody has used a cheap light fence before.
    #[cold]
    fn is_asymmetric() -> bool {
        static DECIDED: OnceLock<bool> = OnceLock::new();
        *DECIDED.get_or_init(|| {
            let registered = register();
            ASYMMETRIC.store(registered, Ordering::Relaxed);
            registered
        })
    }

    #[cfg(target_os = "linux")]
    fn register() -> bool {
        use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};
        membarrier_query().contains_command(MembarrierCommand::PrivateExpedited)
            && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }

    #[cfg(target_os = "linux")]
    fn interrupt_all() {
        use rustix::thread::{MembarrierCommand, membarrier};
        // Not refused to a process that has registered; but if it ever was, this one needs no registration.
        if membarrier(MembarrierCommand::PrivateExpedited).is_err() {
            let _ = membarrier(MembarrierCommand::Global);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn register() -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    fn interrupt_all() {}
}

#[cfg(loom)]
mod loom_pair {
    use loom::sync::atomic::{Ordering, fence};

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Light;

    impl Light {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn fence(self) {
            fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn prepare() {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Light, heavy};

    const ROUNDS: u32 = 20_000;

    /// How often both of two threads, that each write a word and then read the other's, miss what the other wrote.
    fn misses(often: fn(), seldom: fn()) -> usize {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let arrived = Arc::new(AtomicU32::new(0));
        let side = |mine: usize, between: fn()| {
            let (words, arrived) = (Arc::clone(&words), Arc::clone(&arrived));
            std::thread::spawn(move || {
                let round = |round: u32| {
                    arrived.fetch_add(1, Ordering::AcqRel);
                    let mut looks = 0_u32;
                    while arrived.load(Ordering::Acquire) < 2 * round {
                        looks += 1;
                        // The other one is on its way. Where there is one core, it has to be let in.
                        if looks < 1_000 { std::hint::spin_loop() } else { std::thread::yield_now() }
                    }
                    words[mine].store(round, Ordering::Relaxed);
                    between();
                    words[1 - mine].load(Ordering::Relaxed) < round
                };
                (1..=ROUNDS).map(round).collect::<Vec<bool>>()
            })
        };
        let (often, seldom) = (side(0, often), side(1, seldom));
        let (often, seldom) = (often.join().expect("it ends"), seldom.join().expect("it ends"));
        often.iter().zip(&seldom).filter(|(one, other)| **one && **other).count()
    }

    #[test]
    fn v3_of_a_light_and_a_heavy_fence_one_side_sees_the_other() {
        assert_eq!(misses(|| Light::new().fence(), heavy), 0);
    }
}
