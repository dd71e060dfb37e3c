//! Links in Markdown lead somewhere: to a file or directory of the repository, and to a heading in it.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{File, Tree};

/// Every relative link resolves. Links to other sites are not followed.
pub(super) fn resolve(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is("md")) {
        for (line, target) in links(&file.text) {
            if let Some(problem) = problem(tree, file, &target) {
                findings.push(Finding::new(file, line, "link", format!("mend `{target}`: {problem}")));
            }
        }
    }
    findings
}

fn problem(tree: &Tree, file: &File, target: &str) -> Option<String> {
    let scheme = target
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()));
    if scheme || target.starts_with("//") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() {
        Some(file.path.clone())
    } else {
        absolute(&file.path, &path.replace("%20", " "))
    };
    let Some(path) = path else {
        return Some("it leads out of the repository".to_owned());
    };
    if !path.is_empty() && !tree.has(&path) {
        return Some(format!("there is no {path}"));
    }
    let page = tree.file(&path).filter(|page| page.is("md") && !anchor.is_empty())?;
    (!anchors(&page.text).contains(&anchor.to_lowercase())).then(|| format!("{path} has no heading #{anchor}"))
}

/// The path from the root that `target` means in the file `from`; `None` when it leads above the root.
fn absolute(from: &str, target: &str) -> Option<String> {
    let (mut parts, target) = match target.strip_prefix('/') {
        Some(target) => (Vec::new(), target),
        None => (from.split('/').collect::<Vec<_>>(), target),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The lines outside of fenced code, with their numbers, code spans blanked out.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fence: Option<String> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        let ticks: String = start.chars().take_while(|c| *c == '`' || *c == '~').collect();
        match &fence {
            Some(open) => {
                if ticks.starts_with(open.as_str()) {
                    fence = None;
                }
                None
            }
            None if ticks.len() >= 3 => {
                fence = Some(ticks);
                None
            }
            None => Some((index + 1, without_code(line))),
        }
    })
}

fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // Of an odd number of ticks the last opens nothing.
    let last = parts.len() - 1;
    let is_prose = |index: usize| index.is_multiple_of(2) || index == last;
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| if is_prose(index) { part } else { "" })
        .collect()
}

fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            found.push((number, destination(&line[at + 2..])));
        }
        // A definition: `[name]: target`. Footnotes look alike but hold text.
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "))
            && !line.starts_with("[^")
        {
            found.push((number, destination(target)));
        }
    }
    found.retain(|(_, target)| !target.is_empty());
    found
}

/// The destination at the beginning of `text`, without a title.
fn destination(text: &str) -> String {
    if let Some((target, _)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        return target.to_owned();
    }
    let mut depth = 0;
    let end = text.find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c.is_whitespace() || depth < 0
    });
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The anchors that a page's headings get: lower case, spaces to hyphens, other punctuation dropped, repetitions
/// numbered; and those that it names itself with `id="…"`.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = Vec::new();
    let mut headings = prose(text).map(|(number, _)| number).peekable();
    for (index, line) in text.lines().enumerate() {
        if headings.next_if_eq(&(index + 1)).is_none() {
            continue;
        }
        let title = line.trim_start_matches('#');
        if (1..=6).contains(&(line.len() - title.len())) && title.starts_with(' ') {
            let slug = slug(title.trim());
            let count = seen.entry(slug.clone()).or_default();
            anchors.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
            *count += 1;
        }
        anchors.extend(
            line.split("id=\"")
                .skip(1)
                .filter_map(|rest| rest.split_once('"'))
                .map(|(id, _)| id.to_lowercase()),
        );
    }
    anchors
}

fn slug(title: &str) -> String {
    // The text of a link counts, its destination does not.
    let text = title.split("](").enumerate().map(|(n, part)| {
        if n == 0 {
            part
        } else {
            part.split_once(')').map_or("", |(_, rest)| rest)
        }
    });
    let kept = text
        .flat_map(str::chars)
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/a.md", text),
            ("docs/b.md", "# Two words, `code` & more\n\n# Same\n# Same\n"),
            ("src/x.rs", ""),
        ]);
        resolve(&tree).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(
            broken("a\n[b](c.md)\n"),
            ["docs/a.md:2: link: mend `c.md`: there is no docs/c.md"]
        );
        for text in [
            "[b](../../out)",
            "![b](../src/y.png)",
            "[b]: nowhere.md",
            "[b](<no file.md> \"title\")",
            "[b](/b.md)",
        ] {
            assert_eq!(broken(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_link_to_a_missing_heading_is_found() {
        assert_eq!(
            broken("[b](b.md#no)\n"),
            ["docs/a.md:1: link: mend `b.md#no`: docs/b.md has no heading #no"]
        );
        assert_eq!(broken("# Here\n[b](#there)\n").len(), 1);
        assert_eq!(broken("[b](#hidden)\n```\n# Hidden\n```\n").len(), 1);
    }

    #[test]
    fn links_that_lead_somewhere_are_left_alone() {
        for text in [
            "[b](b.md) [c](../src/x.rs) [d](../src) [e](../src/) [f](/src/x.rs) [g](..)",
            "[b](b.md#two-words-code--more) [c](b.md#same) [d](b.md#same-1)",
            "# A [link](b.md) here\n[b](#a-link-here)",
            "[b](https://example.org/x.md) [c](mailto:a@example.org)",
            "`[b](c.md)` and\n```\n[b](c.md)\n```\n",
            "[^1]: a footnote",
            "<a id=\"Own\"></a>[b](#own)",
        ] {
            assert_eq!(broken(text), [""; 0], "{text}");
        }
    }
}
