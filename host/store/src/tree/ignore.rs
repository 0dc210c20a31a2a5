//! Ignore files in the manner of `.gitignore`: which paths of a folder are left out.

/// The lines of one ignore file. The last line that matches a path decides.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    /// `!`: takes a path in again.
    negated: bool,
    /// Ends with a slash: matches folders only.
    folders_only: bool,
    /// The pattern's names; a pattern without a slash in it starts with `**`.
    names: Vec<Vec<char>>,
}

impl Ignore {
    pub(super) fn parse(text: &str) -> Self {
        Self {
            rules: text.lines().filter_map(Rule::parse).collect(),
        }
    }

    /// Whether `path`, relative to the folder with the ignore file, is left out. What lies below a folder that is left
    /// out is never asked for.
    pub(super) fn excludes(&self, path: &str, is_folder: bool) -> bool {
        let names: Vec<Vec<char>> = path.split('/').map(|name| name.chars().collect()).collect();
        let matches =
            |rule: &&Rule| (is_folder || !rule.folders_only) && names_match(&rule.names, &names);
        self.rules
            .iter()
            .rev()
            .find(matches)
            .is_some_and(|rule| !rule.negated)
    }
}

impl Rule {
    fn parse(line: &str) -> Option<Self> {
        // A blank at the end counts only after a backslash.
        let kept = line.trim_end_matches(' ');
        let line = if kept.ends_with('\\') && kept.len() < line.len() {
            line.get(..=kept.len())?
        } else {
            kept
        };
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (negated, line) = line
            .strip_prefix('!')
            .map_or((false, line), |rest| (true, rest));
        let (folders_only, line) = line
            .strip_suffix('/')
            .map_or((false, line), |rest| (true, rest));
        let is_anchored = line.contains('/');
        let mut names: Vec<Vec<char>> = Vec::new();
        if !is_anchored {
            names.push(vec!['*', '*']);
        }
        names.extend(
            line.strip_prefix('/')
                .unwrap_or(line)
                .split('/')
                .map(|name| name.chars().collect()),
        );
        Some(Self {
            negated,
            folders_only,
            names,
        })
    }
}

/// Whether the pattern's names match all of the path's; `**` stands for any number of names, and at the end for at
/// least one.
fn names_match(pattern: &[Vec<char>], path: &[Vec<char>]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return path.is_empty();
    };
    if first.as_slice() == ['*', '*'] {
        let least = usize::from(rest.is_empty());
        return (least..=path.len())
            .any(|skip| path.get(skip..).is_some_and(|path| names_match(rest, path)));
    }
    path.split_first()
        .is_some_and(|(name, path)| name_matches(first, name) && names_match(rest, path))
}

/// Whether one name matches, by the usual method: on a mismatch the last star takes one character more.
fn name_matches(mut pattern: &[char], mut name: &[char]) -> bool {
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        if let Some(('*', rest)) = pattern.split_first().map(|(first, rest)| (*first, rest)) {
            retry = Some((rest, name));
            pattern = rest;
            continue;
        }
        match name.split_first() {
            None if pattern.is_empty() => return true,
            None => return false,
            Some((letter, after)) => {
                if let Some(rest) = one_matches(pattern, *letter) {
                    (pattern, name) = (rest, after);
                    continue;
                }
            }
        }
        let Some((after_star, [_, longer @ ..])) = retry else {
            return false;
        };
        retry = Some((after_star, longer));
        (pattern, name) = (after_star, longer);
    }
}

/// Matches one letter against the pattern's first element, and gives what follows it.
fn one_matches(pattern: &[char], letter: char) -> Option<&[char]> {
    match pattern {
        ['?', rest @ ..] => Some(rest),
        ['\\', escaped, rest @ ..] => (*escaped == letter).then_some(rest),
        ['[', set @ ..] => set_matches(set, letter),
        [plain, rest @ ..] => (*plain == letter).then_some(rest),
        [] => None,
    }
}

/// `[abc]`, `[a-z]`, `[!a]`: a bracket at once after the opening one is a member.
fn set_matches(set: &[char], letter: char) -> Option<&[char]> {
    let (negated, set) = match set {
        ['!' | '^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let end = 1 + set.get(1..)?.iter().position(|c| *c == ']')?;
    let (mut members, rest) = set.split_at_checked(end)?;
    let mut found = false;
    loop {
        members = match members {
            [from, '-', to, rest @ ..] => {
                found |= (*from..=*to).contains(&letter);
                rest
            }
            [one, rest @ ..] => {
                found |= *one == letter;
                rest
            }
            [] => break,
        };
    }
    (found != negated).then(|| rest.get(1..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line but the last was checked against `git check-ignore` 2.47, which matches bytes, not letters.
    #[test]
    fn patterns_mean_what_git_means() {
        for (pattern, path, is_folder, want) in [
            ("*.o", "a.o", false, true),
            ("*.o", "dir/a.o", false, true),
            ("*.o", "a.ob", false, false),
            ("/a.o", "dir/a.o", false, false),
            ("/a.o", "a.o", false, true),
            ("dir/a", "dir/a", false, true),
            ("dir/a", "x/dir/a", false, false),
            ("target/", "target", true, true),
            ("target/", "x/target", true, true),
            ("target/", "target", false, false),
            ("**/b", "a/x/b", false, true),
            ("**/b", "b", false, true),
            ("a/**", "a/b/c", false, true),
            ("a/**", "a", true, false),
            ("a/**/b", "a/b", false, true),
            ("a/**/b", "a/x/y/b", false, true),
            ("a/*/b", "a/x/y/b", false, false),
            ("a?c", "abc", false, true),
            ("a?c", "ac", false, false),
            ("[a-c]x", "bx", false, true),
            ("[!a-c]x", "bx", false, false),
            ("[]]x", "]x", false, true),
            ("[a", "[a", false, false),
            ("a*b*c", "axxbyyc", false, true),
            ("a*b*c", "axxbyy", false, false),
            ("# a", "# a", false, false),
            ("\\# a", "# a", false, true),
            ("a  ", "a", false, true),
            ("a\\ ", "a ", false, true),
            ("", "a", false, false),
            ("ä?", "äö", false, true),
        ] {
            assert_eq!(
                Ignore::parse(pattern).excludes(path, is_folder),
                want,
                "{pattern:?} {path:?}"
            );
        }
    }

    #[test]
    fn the_last_line_decides() {
        let ignore = Ignore::parse("*.log\n!keep.log\r\n\n/build/\n");
        assert!(ignore.excludes("a.log", false));
        assert!(!ignore.excludes("x/keep.log", false));
        assert!(ignore.excludes("build", true));
        assert!(!ignore.excludes("x/build", true));
    }
}
