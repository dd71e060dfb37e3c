//! The files of the repository, as the rules see them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tokens::{self, Tokens};

/// One file with text in it.
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) executable: bool,
    /// Of Rust files: what it consists of, or where it cannot be read.
    pub(super) tokens: Option<Result<Tokens, tokens::Unreadable>>,
}

/// Everything that git tracks or would track.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Every path, also of files that hold no text, and every directory.
    paths: BTreeSet<String>,
}

impl Tree {
    /// Reads the working tree at `root`; what git ignores is left out.
    ///
    /// # Errors
    /// When git or a file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let output = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .context("start git, which knows the files")?;
        ensure!(
            output.status.success(),
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let mut tree = Self {
            files: Vec::new(),
            paths: BTreeSet::new(),
        };
        for path in String::from_utf8(output.stdout)?.split_terminator('\0') {
            let full = root.join(path);
            // A file that was deleted but not yet committed is still listed.
            let Ok(metadata) = fs::metadata(&full) else { continue };
            if metadata.is_file() {
                let bytes = fs::read(&full).with_context(|| format!("read {path}"))?;
                tree.add(
                    path,
                    String::from_utf8(bytes).ok(),
                    metadata.permissions().mode() & 0o111 != 0,
                );
            }
        }
        Ok(tree)
    }

    /// The Rust files that could be read, each with its tokens.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Tokens)> {
        self.files
            .iter()
            .filter_map(|file| Some((file, file.tokens.as_ref()?.as_ref().ok()?)))
    }

    /// Whether there is a file or a directory of this name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path.trim_end_matches('/'))
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn add(&mut self, path: &str, text: Option<String>, executable: bool) {
        self.paths
            .extend(path.match_indices('/').map(|(end, _)| path[..end].to_owned()));
        self.paths.insert(path.to_owned());
        if let Some(text) = text {
            let tokens = path.ends_with(".rs").then(|| Tokens::read(&text));
            self.files.push(File {
                path: path.to_owned(),
                text,
                executable,
                tokens,
            });
        }
    }

    /// A tree made up for a test; files whose text begins with `#!` are executable.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self {
            files: Vec::new(),
            paths: BTreeSet::new(),
        };
        for (path, text) in files {
            tree.add(path, Some((*text).to_owned()), text.starts_with("#!/"));
        }
        tree
    }
}

impl File {
    pub(super) fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.split('\n').enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The interpreter that the first line names, if it is a shell.
    pub(super) fn shell(&self) -> Option<&str> {
        let (first, _) = self.text.split_once('\n')?;
        let program = first.strip_prefix("#!")?.split_whitespace().last()?;
        let name = program.rsplit('/').next()?;
        matches!(name, "sh" | "bash" | "dash" | "zsh").then_some(name)
    }
}
