//! Time that a thread has been running, which others on a busy machine do not add to.

use std::time::Duration;

/// The CPU time of the calling thread; `None` where the system does not tell.
pub fn thread_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).ok()?;
        Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::thread_time;
    use std::{hint::black_box, thread, time::Duration};

    #[test]
    fn sleep_takes_none_of_it() {
        let Some(start) = thread_time() else {
            return;
        };
        thread::sleep(Duration::from_millis(30));
        let slept = thread_time().expect("it was there before") - start;
        assert!(slept < Duration::from_millis(20), "{slept:?}");
        let mut sum = 0_u64;
        while thread_time().expect("it was there before") - start < Duration::from_millis(2) {
            sum = black_box(sum + 1);
        }
    }
}
