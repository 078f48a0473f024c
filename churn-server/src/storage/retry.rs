//! Retries: exponential backoff with full jitter, so that many clients that failed together do not retry together.

use std::time::Duration;

/// Number of retries, and the waits between them.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Number of attempts after the first.
    pub retries: u32,
    /// Maximum wait before the second attempt. It doubles with each attempt.
    pub first: Duration,
    /// Upper limit of every wait, whatever the backend asks for.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { retries: 6, first: Duration::from_millis(200), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Returns the wait after this many failed attempts, or None if no attempt is left. It is at least as long as the backend
    /// asks for.
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
