//! An input of 100 MB is never held in memory as a whole on our side.

use crate::harness::Mc;
use mutual_testkit::guest;
use std::io::Write as _;

const MEGABYTE: usize = 1_000_000;

/// Writes 100 MB of which no block is like another.
fn write_large(mc: &Mc) {
    let mut file = std::fs::File::create(mc.work().join("large")).unwrap();
    let mut state = 1_u64;
    for _ in 0..100 {
        let block: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()
        })
        .take(MEGABYTE / 8)
        .flatten()
        .collect();
        file.write_all(&block).unwrap();
    }
}

/// The kernel gives `mc` and its children at most 64 MiB of data: heap, stacks and anonymous mappings together. In and
/// out, as an input, as a written-back folder and through both pipes, all 100 MB pass.
#[test]
fn a_hundred_megabytes_pass_through_64_mebibytes() {
    let mc = Mc::new();
    write_large(&mc);
    std::fs::create_dir(mc.work().join("data")).unwrap();
    let (files, echo) = (guest("files"), guest("echo"));
    let line = format!(
        "set -e; ulimit -d 65536
        mc run -i large -O /back {files} size /large , rename /large /back
        cmp large back; rm back
        mv large data; mc run --dir data {files} rename data/large data/moved; mv data/moved large
        mc run {echo} < large | cmp - large
        mc add -o id large > cid; mc cat $(cat cid) | cmp - large",
        files = files.display(),
        echo = echo.display()
    );
    assert_eq!(mc.bash(&line).clean().stdout, "100000000\n");
}

/// The limit of the test above does bite: a program that wants more than it is refused.
#[test]
fn more_than_that_is_refused() {
    let mc = Mc::new();
    let line = format!("ulimit -d 65536; mc run {} 100", guest("alloc").display());
    let ran = mc.bash(&line);
    assert_ne!(ran.stdout, "100 of 100 MiB\n", "{ran:#?}");
}
