//! The imports that every host has: names alone. The linker of the engine has the types, and a test compares the two.

/// Whether hosts have what a program imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It works.
    Known,
    /// It is there, and every call is refused unless the job and the host grant it.
    DeniedAtCall,
    /// No host has it: the program cannot be run.
    Unknown,
}

/// Name of WASI 0.1 as a module.
pub(crate) const PREVIEW1: &str = "wasi_snapshot_preview1";

/// Functions of WASI 0.1, sorted.
#[rustfmt::skip]
pub(crate) const PREVIEW1_FUNCTIONS: [&str; 46] = [
    "args_get", "args_sizes_get", "clock_res_get", "clock_time_get", "environ_get",
    "environ_sizes_get", "fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_get",
    "fd_fdstat_set_flags", "fd_fdstat_set_rights", "fd_filestat_get", "fd_filestat_set_size",
    "fd_filestat_set_times", "fd_pread", "fd_prestat_dir_name", "fd_prestat_get", "fd_pwrite",
    "fd_read", "fd_readdir", "fd_renumber", "fd_seek", "fd_sync", "fd_tell", "fd_write",
    "path_create_directory", "path_filestat_get", "path_filestat_set_times", "path_link",
    "path_open", "path_readlink", "path_remove_directory", "path_rename", "path_symlink",
    "path_unlink_file", "poll_oneoff", "proc_exit", "proc_raise", "random_get", "sched_yield",
    "sock_accept", "sock_recv", "sock_send", "sock_shutdown",
];

/// Interfaces of WASI 0.2, sorted, without their version.
#[rustfmt::skip]
pub(crate) const PREVIEW2_INTERFACES: [&str; 29] = [
    "wasi:cli/environment", "wasi:cli/exit", "wasi:cli/stderr", "wasi:cli/stdin", "wasi:cli/stdout",
    "wasi:cli/terminal-input", "wasi:cli/terminal-output", "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin", "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock", "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens", "wasi:filesystem/types",
    "wasi:http/outgoing-handler", "wasi:http/types",
    "wasi:io/error", "wasi:io/poll", "wasi:io/streams",
    "wasi:random/insecure", "wasi:random/insecure-seed", "wasi:random/random",
    "wasi:sockets/instance-network", "wasi:sockets/ip-name-lookup", "wasi:sockets/network",
    "wasi:sockets/tcp", "wasi:sockets/tcp-create-socket", "wasi:sockets/udp", "wasi:sockets/udp-create-socket",
];

/// Judges a function that a module imports.
pub(crate) fn of_function(module: &str, name: &str) -> Verdict {
    if module != PREVIEW1 || PREVIEW1_FUNCTIONS.binary_search(&name).is_err() {
        return Verdict::Unknown;
    }
    if name.starts_with("sock_") {
        Verdict::DeniedAtCall
    } else {
        Verdict::Known
    }
}

/// Judges an interface that a component imports. Any 0.2 version will do: they are compatible with one another, and
/// the engine's linker treats them so.
pub(crate) fn of_interface(name: &str) -> Verdict {
    let known =
        interface(name).filter(|interface| PREVIEW2_INTERFACES.binary_search(interface).is_ok());
    match known {
        None => Verdict::Unknown,
        Some("wasi:http/outgoing-handler") => Verdict::DeniedAtCall,
        Some(interface) if interface.starts_with("wasi:sockets/") => Verdict::DeniedAtCall,
        Some(_) => Verdict::Known,
    }
}

/// The name without its version, if that is a release of 0.2.
pub(crate) fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    patch(version).map(|_patch| interface)
}

/// The last number of a 0.2 version.
pub(crate) fn patch(version: &str) -> Option<u32> {
    version.strip_prefix("0.2.")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_0_2_are_one_and_others_are_not() {
        assert_eq!(of_interface("wasi:cli/exit@0.2.0"), Verdict::Known);
        assert_eq!(of_interface("wasi:cli/exit@0.2.99"), Verdict::Known);
        assert_eq!(
            of_interface("wasi:sockets/tcp@0.2.6"),
            Verdict::DeniedAtCall
        );
        assert_eq!(
            of_interface("wasi:http/outgoing-handler@0.2.6"),
            Verdict::DeniedAtCall
        );
        for unknown in [
            "wasi:cli/exit",
            "wasi:cli/exit@0.3.0",
            "wasi:cli/exit@0.2",
            "wasi:cli/exit@0.2.0-rc.1",
            "wasi:nn/tensor@0.2.0",
            "mutual:guest/gpu@0.2.0",
            "",
        ] {
            assert_eq!(of_interface(unknown), Verdict::Unknown, "{unknown}");
        }
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(PREVIEW1_FUNCTIONS.is_sorted() && PREVIEW2_INTERFACES.is_sorted());
    }
}
