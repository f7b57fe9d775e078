//! Names of topics, and an order to go through them.

/// Names of about 20 bytes.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("bench.topic.{number:08}")).collect()
}

/// Goes through the topics so that neighbours in time are not neighbours in memory.
pub(crate) struct Stride {
    at: usize,
    len: usize,
}

impl Stride {
    pub(crate) fn over(len: usize) -> Self {
        Self { at: 0, len }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> usize {
        self.at += 7;
        if self.at >= self.len {
            self.at %= self.len;
        }
        self.at
    }
}
