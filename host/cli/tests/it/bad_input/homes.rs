//! Homes that cannot be used: a file, a read-only disk, a full one.

use super::text;
use crate::harness::{Mc, Ran};
use mutual_testkit::guest;
use std::process::Command;

/// Runs a shell script, with `$MC` and `$MC_HOME`, in a mount namespace of its own. None where that is not allowed,
/// which is an error on a build machine.
#[expect(
    clippy::disallowed_methods,
    reason = "a build machine says so in its environment"
)]
fn with_own_mounts(mc: &Mc, script: &str) -> Option<Ran> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        let root = rustix::process::geteuid().is_root();
        command.args(if root { &["-m"][..] } else { &["-rm"] });
        command
            .args(["sh", "-euc", script])
            .current_dir(mc.work())
            .env("MC", env!("CARGO_BIN_EXE_mc"))
            .env("MC_HOME", mc.home());
        command.output()
    };
    std::fs::create_dir_all(mc.home()).unwrap();
    let probe = unshare("mount -t tmpfs none \"$MC_HOME\"");
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(Ran::new(unshare(script).unwrap()));
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "mount namespaces are needed"
    );
    println!("skipped: no mount namespaces here");
    None
}

#[test]
fn a_home_that_is_a_file() {
    let mc = Mc::new();
    std::fs::write(mc.home(), "x").unwrap();
    for args in [
        &["run", &text(guest("p1-hello.wat"))][..],
        &["ps"],
        &["add", "x"],
        &["id"],
    ] {
        let ran = mc.run(args).fails(125, "mc::store::io");
        assert!(
            ran.stderr.contains(mc.home().to_str().unwrap())
                && ran.stderr.contains("Not a directory"),
            "{ran:#?}"
        );
    }
    assert_eq!(std::fs::read(mc.home()).unwrap(), b"x");
    let doctor = mc.run(["doctor"]);
    assert!(
        doctor.code == Some(1) && doctor.stdout.contains("bad"),
        "{doctor:#?}"
    );
}

#[test]
fn a_home_that_is_not_said_well() {
    let mc = Mc::new();
    let run = |variable: Option<(&str, &std::path::Path)>| {
        let mut command = mc.command(["ps"]);
        command.env_remove("HOME").env_remove("MC_HOME");
        for name in ["XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command.envs(variable);
        Ran::new(command.output().unwrap())
    };
    let ran = run(None).fails(125, "mc::store::io");
    assert!(ran.stderr.contains("neither MC_HOME nor HOME"), "{ran:#?}");
    let ran = run(Some(("MC_HOME", "relative".as_ref()))).fails(125, "mc::store::io");
    assert!(ran.stderr.contains("MC_HOME is relative"), "{ran:#?}");
    assert!(!mc.work().join("relative").exists());
    let home = mc.work().join("person");
    run(Some(("HOME", &home))).clean();
    assert!(
        home.join(".local/share/mutual-cloud/store/version")
            .exists()
    );
}

#[test]
fn a_read_only_home_names_the_variable() {
    let mc = Mc::new();
    let script = "mount -t tmpfs none \"$MC_HOME\"; mount -o remount,ro \"$MC_HOME\"
        exec \"$MC\" run \"$0\"";
    let script = script.replace("$0", &text(guest("p1-hello.wat")));
    let Some(ran) = with_own_mounts(&mc, &script) else {
        return;
    };
    let ran = ran.fails(125, "mc::store::read-only");
    assert!(
        ran.stderr.contains("MC_HOME") && ran.stderr.contains(mc.home().to_str().unwrap()),
        "{ran:#?}"
    );
}

#[test]
fn a_home_that_became_read_only_can_still_be_looked_at() {
    let mc = Mc::new();
    let (hello, files) = (text(guest("p1-hello.wat")), text(guest("write-out")));
    mc.run(["run", &hello]).clean();
    let read_only =
        "mount --bind \"$MC_HOME\" \"$MC_HOME\"; mount -o remount,ro,bind \"$MC_HOME\"\n";
    let look =
        format!("{read_only}\"$MC\" ps -a; \"$MC\" logs last; \"$MC\" inspect last; \"$MC\" id");
    let Some(ran) = with_own_mounts(&mc, &look) else {
        return;
    };
    let ran = ran.clean();
    assert!(
        ran.stdout.contains("hello from p1\n") && ran.stdout.contains("certificate valid"),
        "{ran:#?}"
    );
    // A program that never ran here, and one that did.
    for program in [&files, &hello] {
        let run = format!("{read_only}exec \"$MC\" run {program} 1 1");
        let ran = with_own_mounts(&mc, &run)
            .unwrap()
            .fails(125, "mc::store::read-only");
        assert!(ran.stderr.contains("MC_HOME"), "{ran:#?}");
    }
    assert_eq!(
        mc.run(["ps", "-a", "-o", "id"])
            .clean()
            .stdout
            .lines()
            .count(),
        1
    );
    mc.assert_clean();
}

/// `mc run ARGS…` with a home of `size`; then what is left of staging, sockets and half-written files.
fn in_small_home(mc: &Mc, size: &str, args: &str) -> Option<Ran> {
    let script = format!(
        "mount -t tmpfs -o size={size} none \"$MC_HOME\"
        code=0; \"$MC\" run {args} || code=$?
        find \"$MC_HOME\"/data/store/staging \"$MC_HOME\"/data/store/temporary \"$MC_HOME\"/run -type f ! -name '*.lock' -o -type s \\
            2>/dev/null | sed 's/^/left: /' >&2
        exit $code"
    );
    with_own_mounts(mc, &script)
}

#[test]
fn a_full_disk_while_inputs_are_taken() {
    let mc = Mc::new();
    mc.write("large", vec![7; 6 << 20]);
    std::fs::write(mc.work().join("noise"), noise(6 << 20)).unwrap();
    let args = format!("-i noise {}", text(guest("p1-hello.wat")));
    let Some(ran) = in_small_home(&mc, "4m", &args) else {
        return;
    };
    let ran = ran.fails(125, "mc::store::full");
    assert!(
        ran.stderr.contains("mc gc") && !ran.stderr.contains("left: "),
        "{ran:#?}"
    );
}

#[test]
fn a_full_disk_while_inputs_are_laid_out() {
    let mc = Mc::new();
    // It fits once, as blocks, and not a second time.
    std::fs::write(mc.work().join("noise"), noise(5 << 20)).unwrap();
    let args = format!("-i noise {}", text(guest("p1-hello.wat")));
    let Some(ran) = in_small_home(&mc, "8m", &args) else {
        return;
    };
    let ran = ran.fails(125, "mc::store::full");
    assert!(!ran.stderr.contains("left: "), "{ran:#?}");
}

#[test]
fn a_full_disk_under_a_program_that_writes() {
    let mc = Mc::new();
    let args = format!("{} /out/x 100000000", text(guest("big-file")));
    let Some(ran) = in_small_home(&mc, "16m", &args) else {
        return;
    };
    let ran = ran.fails(125, "mc::store::full");
    assert!(
        ran.stdout.contains(" of 100000000 bytes: "),
        "the program was told: {ran:#?}"
    );
    assert!(!ran.stderr.contains("left: "), "{ran:#?}");
}

#[test]
fn a_full_disk_while_outputs_are_taken() {
    let mc = Mc::new();
    // 9 MB of the same bytes are written, and do not fit a second time; nor does one block of them.
    let args = format!("{} 9 1000000", text(guest("write-out")));
    let Some(ran) = in_small_home(&mc, "12m", &args) else {
        return;
    };
    assert!(
        !ran.stderr.contains("left: ") && !ran.stderr.contains("panicked"),
        "{ran:#?}"
    );
    if ran.code != Some(0) {
        ran.fails(125, "mc::store::full");
    }
}

/// Bytes that no two blocks share.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length / 8).flat_map(|_| next()).collect()
}
