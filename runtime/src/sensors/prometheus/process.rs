//! What the kernel says of this process, under the names that every Prometheus client uses.

use std::fs;

use super::families::{CPU_SECONDS, Family, MAX_FDS, OPEN_FDS, RESIDENT_MEMORY, VIRTUAL_MEMORY};
use super::text::as_f64;

/// Ticks a second in which the kernel tells processor time: fixed for programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// What can be read; nothing where there is no `/proc`.
pub(super) fn read() -> Vec<(&'static Family, f64)> {
    let file = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
    let stat = file("stat");
    let status = file("status");
    let limits = file("limits");
    let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    let size = |name: &str| status.as_deref().and_then(|status| kibibytes(status, name));
    [
        (&CPU_SECONDS, stat.as_deref().and_then(cpu_seconds)),
        (&RESIDENT_MEMORY, size("VmRSS:")),
        (&VIRTUAL_MEMORY, size("VmSize:")),
        // The one that lists the others is open only meanwhile.
        (&OPEN_FDS, open.and_then(|open| u64::try_from(open).ok()).map(|open| as_f64(open) - 1.0)),
        (&MAX_FDS, limits.as_deref().and_then(max_fds)),
    ]
    .into_iter()
    .filter_map(|(family, value)| Some((family, value?)))
    .collect()
}

/// Fields 14 and 15; the second is a name in parentheses that may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(as_f64(ticks()?.saturating_add(ticks()?)) / TICKS)
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(as_f64(number.saturating_mul(1024)))
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    // Where there is no limit, there is no number.
    line.split_whitespace().next()?.parse().ok().map(as_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_kernel_are_read() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 9 1 2\n";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        let status = "Name:\tx\nVmPeak:\t   9 kB\nVmSize:\t  20 kB\nVmRSS:\t   12 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(12_288.0));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  4096  files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        for broken in ["", "x", "7 (a)", "7 (a) R 1"] {
            assert_eq!(cpu_seconds(broken), None);
            assert_eq!(kibibytes(broken, "VmRSS:"), None);
            assert_eq!(max_fds(broken), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_process_can_be_read() {
        let values = read();
        assert_eq!(values.len(), 5, "{values:?}");
        let resident = values.iter().find(|(family, _)| family.name == RESIDENT_MEMORY.name);
        assert!(resident.is_some_and(|(_, bytes)| *bytes > 1e6), "{values:?}");
    }
}
