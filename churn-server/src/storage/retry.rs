//! Trying again: exponential backoff with full jitter, so that many clients that failed together do not come back together.

use std::time::Duration;

/// How often, and how long between.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Tries after the first.
    pub retries: u32,
    /// The longest wait before the second try; it doubles with each.
    pub first: Duration,
    /// No wait is longer, whatever the backend asks for.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { retries: 6, first: Duration::from_millis(200), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The wait before the try that follows so many failed ones; none when it is enough. What the backend asks for is the
    /// least.
    pub(crate) fn wait(&self, failed: u32, asked: Option<Duration>) -> Option<Duration> {
        if failed > self.retries {
            return None;
        }
        let ceiling = self.first.saturating_mul(1 << failed.saturating_sub(1).min(20)).min(self.longest);
        let jittered = ceiling.mul_f64(fastrand::f64());
        Some(asked.unwrap_or_default().saturating_add(jittered).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_then_end() {
        let backoff = Backoff { retries: 4, first: Duration::from_millis(100), longest: Duration::from_millis(350) };
        for (failed, ceiling) in [(1, 100), (2, 200), (3, 350), (4, 350)] {
            for _ in 0..1000 {
                let wait = backoff.wait(failed, None).expect("a further try");
                assert!(wait <= Duration::from_millis(ceiling), "{failed}: {wait:?}");
            }
        }
        assert_eq!(backoff.wait(5, None), None);
        let asked = backoff.wait(1, Some(Duration::from_millis(150))).expect("a further try");
        assert!((150..=250).contains(&asked.as_millis()), "{asked:?}");
        assert_eq!(backoff.wait(1, Some(Duration::from_secs(600))), Some(Duration::from_millis(350)));
    }
}
