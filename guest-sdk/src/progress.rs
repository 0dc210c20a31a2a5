//! Progress: lines `n/m text` in a file that the host reads. Its folder does not exist anywhere else.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering},
};

const FILE: &str = "/.mc/progress";

/// No line was written yet.
const NEVER: u64 = u64::MAX;

static LAST_PERCENT: AtomicU64 = AtomicU64::new(NEVER);

/// Says that `done` of `total` parts are done, and what comes next.
///
/// Call it as often as you like: a line is written only when the percentage has changed. Where `total` is 0, because
/// nobody knows it, each call writes one. Only the first line of `text` counts. Where nobody listens, nothing happens.
pub fn progress(done: usize, total: usize, text: &str) {
    let percent = percent(done, total);
    if LAST_PERCENT.swap(percent, Ordering::Relaxed) == percent && percent != NEVER {
        return;
    }
    // Progress is a courtesy: the program goes on without it.
    let _ = append(FILE, &line(done, total, text));
}

/// [`NEVER`] where there is no percentage.
fn percent(done: usize, total: usize) -> u64 {
    let (done, total) = (done as u128, total as u128);
    (done * 100)
        .checked_div(total)
        .and_then(|percent| percent.try_into().ok())
        .unwrap_or(NEVER)
}

fn line(done: usize, total: usize, text: &str) -> String {
    format!(
        "{done}/{total} {}\n",
        text.lines().next().unwrap_or_default()
    )
}

/// One write for the whole line, so that the reader never sees half of one. The host makes the folder, not the guest.
fn append(file: &str, line: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)?
        .write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_line() {
        assert_eq!(line(3, 10, "a.txt"), "3/10 a.txt\n");
        assert_eq!(line(0, 0, "one\ntwo"), "0/0 one\n");
        assert_eq!(line(1, 1, ""), "1/1 \n");
    }

    #[test]
    fn percentages_do_not_overflow() {
        assert_eq!(percent(0, 3), 0);
        assert_eq!(percent(usize::MAX, usize::MAX), 100);
        assert_eq!(percent(5, 0), NEVER);
    }

    #[test]
    fn the_file_is_appended_to_and_its_folder_never_made() {
        let folder =
            std::env::temp_dir().join(format!("mutual-guest-progress-{}", std::process::id()));
        let file = folder.join("progress");
        let name = file.to_str().unwrap();
        assert!(append(name, "0/2 a\n").is_err());
        std::fs::create_dir(&folder).unwrap();
        append(name, "0/2 a\n").unwrap();
        append(name, "1/2 b\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "0/2 a\n1/2 b\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nothing_happens_where_nobody_listens() {
        progress(1, 2, "half");
    }
}
