//! Links between the repository's pages lead somewhere. Web addresses are not looked at.

use super::rules::{Finding, Source};

/// One finding for each relative link of a Markdown file for which `exists` says no.
pub(super) fn check(source: &Source<'_>, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(source.text.lines()) {
        for target in targets(line) {
            if resolve(source.path, target).is_none_or(|path| !exists(&path)) {
                let message = format!("the link to {target} leads nowhere");
                findings.push(Finding::new(source.path, number, &message));
            }
        }
    }
    findings
}

/// What stands in `](…)`, without the part after `#`; none for web addresses and places on the same page.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    links
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        .filter_map(|link| link.split('#').next())
}

/// `target` as seen from the page, as a path from the root; none when it leads out of the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}
