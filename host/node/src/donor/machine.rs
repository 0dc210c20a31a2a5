//! What this machine has, and the part of it that a donor gives when nothing else was said.

use crate::hosting::Given;
use std::fs;
use std::io;
use std::path::Path;

/// The most disk that is given without being told to.
const DISK_BYTES_DEFAULT_MAX: u64 = 10 << 30;
/// A machine that does not tell its memory is taken for a small one.
const MEMORY_BYTES_UNKNOWN: u64 = 1 << 30;

/// What a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Processor cores that this process may use.
    pub cores: u16,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Free disk below the data folder, bytes.
    pub disk_bytes_free: u64,
}

impl Machine {
    /// Looks at this machine; the disk is that of `folder`.
    ///
    /// # Errors
    /// When the folder cannot be looked at.
    pub fn look(folder: &Path) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(folder)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Ok(Self {
            cores: u16::try_from(cores).unwrap_or(u16::MAX),
            memory_bytes: memory_bytes(&meminfo).unwrap_or(MEMORY_BYTES_UNKNOWN),
            disk_bytes_free: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }

    /// Half of the cores, a quarter of the memory, and a tenth of the free disk, 10 GiB at most: the person who sits
    /// at the machine does not notice.
    pub fn given(self) -> Given {
        let cpus = (self.cores / 2).max(1);
        Given {
            slots: cpus,
            cpus,
            memory_bytes: self.memory_bytes / 4,
            disk_bytes: (self.disk_bytes_free / 10).min(DISK_BYTES_DEFAULT_MAX),
        }
    }
}

/// `MemTotal:       16303428 kB`.
fn memory_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What this machine is called, as far as it has a name.
pub fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let is_name = !name.is_empty() && name != "(none)";
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_quarter_and_a_tenth() {
        let machine = Machine {
            cores: 1,
            memory_bytes: 4 << 30,
            disk_bytes_free: 1 << 40,
        };
        let given = machine.given();
        assert_eq!((given.cpus, given.slots), (1, 1), "never nothing");
        assert_eq!((given.memory_bytes, given.disk_bytes), (1 << 30, 10 << 30));
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(
            memory_bytes("MemTotal:       16 kB\nMemFree: 1 kB\n"),
            Some(16 << 10)
        );
        for other in [
            "",
            "MemTotal: kB",
            "MemTotal: 16 MB",
            "MemTotal: 99999999999999999999 kB",
        ] {
            assert_eq!(memory_bytes(other), None, "{other}");
        }
    }

    #[test]
    fn this_machine_has_something() {
        let machine = Machine::look(Path::new("/")).unwrap();
        assert!(machine.cores > 0 && machine.memory_bytes > 0);
    }
}
