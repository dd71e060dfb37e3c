//! `framegate ca install`: puts the CA's certificate where this machine's programs look for it, and says what is left.
//!
//! On Linux it serves the system's trust store (which only root may change) and the NSS databases of the user's browsers.
//! Elsewhere it only says what to do. Nothing is ever removed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Ca;
use crate::tls::guide::{self, Guide, Line};

/// Where Linux systems keep what their administrators trust, and what makes them look there. First match wins: the
/// directories of Debian's way are sometimes found beside others'.
const STORES: [Store; 4] = [
    Store {
        anchors: "/etc/pki/ca-trust/source/anchors",
        file: "framegate-ca.pem",
        tool: "update-ca-trust",
    },
    Store {
        anchors: "/etc/ca-certificates/trust-source/anchors",
        file: "framegate-ca.crt",
        tool: "update-ca-trust",
    },
    Store {
        anchors: "/usr/share/pki/trust/anchors",
        file: "framegate-ca.pem",
        tool: "update-ca-certificates",
    },
    Store {
        anchors: "/usr/local/share/ca-certificates",
        file: "framegate-ca.crt",
        tool: "update-ca-certificates",
    },
];

/// Tools are looked for here only: as root, one does not run what somebody's PATH says.
const TOOL_DIRECTORIES: [&str; 6] = [
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
];

struct Store {
    anchors: &'static str,
    file: &'static str,
    tool: &'static str,
}

/// What a plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// Whether this is Linux; elsewhere nothing is done, only said.
    pub linux: bool,
    /// Whether the process may write what is the system's.
    pub root: bool,
    /// The directory of trust anchors, the file to put there and the tool to run then, if the system has such.
    pub store: Option<(PathBuf, PathBuf)>,
    /// NSS's `certutil`, if it is there.
    pub certutil: Option<PathBuf>,
    /// The directories of the user's NSS databases: browsers' profiles.
    pub nss_databases: Vec<PathBuf>,
}

/// What to do, and what people have to do themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// What cannot be done here and why, one sentence each.
    pub notes: Vec<String>,
    /// The certificate's file, for what is to be done by hand.
    pub certificate: PathBuf,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Copies a file; an older one is replaced.
    Copy {
        /// The certificate.
        from: PathBuf,
        /// Its place in the trust store.
        to: PathBuf,
    },
    /// Runs a program.
    Run {
        /// Its whole path.
        program: PathBuf,
        /// One word each.
        arguments: Vec<String>,
    },
}

/// What was done, and what is left to do by hand. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The steps that were taken, each with what went wrong, if something did.
    pub done: Vec<(Step, Option<String>)>,
    /// What could not be done here and why.
    pub notes: Vec<String>,
    certificate: PathBuf,
}

/// Puts the certificate where this machine's programs look for it. A step that fails does not keep the next ones from
/// being tried.
#[must_use]
pub fn install(ca: &Ca) -> Installation {
    let certificate = std::path::absolute(ca.path()).unwrap_or_else(|_| ca.path().to_owned());
    let plan = plan(&System::look(std::env::home_dir().as_deref()), ca.name(), &certificate);
    let done = plan.steps.into_iter().map(|step| {
        let failure = step.take().err();
        (step, failure)
    });
    Installation {
        done: done.collect(),
        notes: plan.notes,
        certificate: plan.certificate,
    }
}

/// What [`install`] would do on such a system with the certificate of that name. Pure.
#[must_use]
pub fn plan(system: &System, name: &str, certificate: &Path) -> Plan {
    let mut plan = Plan {
        steps: Vec::new(),
        notes: Vec::new(),
        certificate: certificate.to_owned(),
    };
    if !system.linux {
        plan.notes
            .push("On this system the certificate has to be installed by hand.".to_owned());
        return plan;
    }
    match &system.store {
        Some((file, tool)) if system.root => {
            plan.steps.push(Step::Copy {
                from: certificate.to_owned(),
                to: file.clone(),
            });
            plan.steps.push(Step::Run {
                program: tool.clone(),
                arguments: Vec::new(),
            });
        }
        Some((file, tool)) => {
            let quoted = |path: &Path| guide::quoted(&path.to_string_lossy());
            plan.notes.push(format!(
                "The system's trust store can be changed by root only: sudo cp {} {} && sudo {}",
                quoted(certificate),
                quoted(file),
                quoted(tool)
            ));
        }
        None => plan.notes.push("No system trust store was found here.".to_owned()),
    }
    let Some(certutil) = &system.certutil else {
        plan.notes.push(
            "certutil was not found, so the browsers' databases are as they were (Debian: libnss3-tools, Fedora: nss-tools)."
                .to_owned(),
        );
        return plan;
    };
    if system.nss_databases.is_empty() {
        plan.notes
            .push("No NSS database of a browser was found for this user.".to_owned());
    }
    for database in &system.nss_databases {
        let arguments = [
            "-d",
            &format!("sql:{}", database.display()),
            "-A",
            "-t",
            "C,,",
            "-n",
            name,
            "-i",
            &certificate.to_string_lossy(),
        ];
        plan.steps.push(Step::Run {
            program: certutil.clone(),
            arguments: arguments.map(str::to_owned).to_vec(),
        });
    }
    plan
}

impl System {
    /// Looks at this machine. `home`: where the user's browsers keep their profiles.
    #[must_use]
    pub fn look(home: Option<&Path>) -> Self {
        let tool = |name: &str| {
            TOOL_DIRECTORIES
                .iter()
                .map(|at| Path::new(at).join(name))
                .find(|path| path.is_file())
        };
        let store = STORES
            .iter()
            .filter(|store| Path::new(store.anchors).is_dir())
            .find_map(|store| Some((Path::new(store.anchors).join(store.file), tool(store.tool)?)));
        Self {
            linux: cfg!(target_os = "linux"),
            root: is_root(),
            store,
            certutil: tool("certutil"),
            nss_databases: home.map(nss_databases).unwrap_or_default(),
        }
    }
}

/// The owner of a process's own entry is its effective user.
fn is_root() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Chromium's database, and those of Firefox's profiles, installed from packages or as a snap or flatpak.
fn nss_databases(home: &Path) -> Vec<PathBuf> {
    let mut candidates = vec![home.join(".pki/nssdb")];
    for profiles in [
        ".mozilla/firefox",
        ".config/mozilla/firefox",
        "snap/firefox/common/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ] {
        let entries = std::fs::read_dir(home.join(profiles)).into_iter().flatten();
        candidates.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    candidates.retain(|directory| directory.join("cert9.db").is_file());
    candidates.sort();
    candidates
}

impl Step {
    /// Takes the step; the error says what went wrong.
    fn take(&self) -> Result<(), String> {
        match self {
            Self::Copy { from, to } => copy(from, to).map_err(|error| error.to_string()),
            Self::Run { program, arguments } => {
                let output = Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::null())
                    .output()
                    .map_err(|error| error.to_string())?;
                if output.status.success() {
                    return Ok(());
                }
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("{}: {}", output.status, said.trim()))
            }
        }
    }
}

/// Everybody must be able to read it there, whatever the mode of the original.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |path: &Path| guide::quoted(&path.to_string_lossy());
        match self {
            Self::Copy { from, to } => write!(f, "cp {} {}", quoted(from), quoted(to)),
            Self::Run { program, arguments } => {
                f.write_str(&quoted(program))?;
                arguments
                    .iter()
                    .try_for_each(|argument| write!(f, " {}", guide::quoted(argument)))
            }
        }
    }
}

impl Installation {
    /// Whether every step that was taken succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.done.iter().all(|(_, failure)| failure.is_none())
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The CA's certificate: {}", self.certificate.display())?;
        for (step, failure) in &self.done {
            match failure {
                None => writeln!(f, "done:   {step}")?,
                Some(why) => writeln!(f, "failed: {step}\n        {why}")?,
            }
        }
        for note in &self.notes {
            writeln!(f, "note:   {note}")?;
        }
        writeln!(f, "\nBy hand, where it is needed:")?;
        let guides = guide::guides(&guide::quoted(&self.certificate.to_string_lossy()));
        guides.iter().try_for_each(|guide| write_guide(f, guide))
    }
}

fn write_guide(f: &mut fmt::Formatter<'_>, guide: &Guide) -> fmt::Result {
    writeln!(f, "\n{}", guide.system)?;
    guide.lines.iter().try_for_each(|line| match line {
        Line::Say(text) => writeln!(f, "  {text}"),
        Line::Type(command) => writeln!(f, "    {command}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn linux(root: bool) -> System {
        System {
            linux: true,
            root,
            store: Some((
                PathBuf::from("/usr/local/share/ca-certificates/framegate-ca.crt"),
                PathBuf::from("/usr/sbin/update-ca-certificates"),
            )),
            certutil: Some(PathBuf::from("/usr/bin/certutil")),
            nss_databases: vec![PathBuf::from("/home/u/.pki/nssdb")],
        }
    }

    fn plan_for(system: &System) -> Plan {
        plan(
            system,
            "framegate CA 01020304",
            Path::new("/home/u/.framegate/ca/x.pem"),
        )
    }

    fn written(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn root_changes_the_trust_store_and_the_browsers_databases() {
        let plan = plan_for(&linux(true));
        assert_eq!(
            written(&plan),
            [
                "cp /home/u/.framegate/ca/x.pem /usr/local/share/ca-certificates/framegate-ca.crt",
                "/usr/sbin/update-ca-certificates",
                "/usr/bin/certutil -d sql:/home/u/.pki/nssdb -A -t C,, -n 'framegate CA 01020304' -i /home/u/.framegate/ca/x.pem",
            ]
        );
        assert_eq!(plan.notes, Vec::<String>::new());
    }

    #[test]
    fn others_are_told_what_root_has_to_do() {
        let plan = plan_for(&linux(false));
        assert_eq!(plan.steps.len(), 1, "{plan:?}");
        assert!(
            plan.notes[0].contains("sudo cp /home/u/.framegate/ca/x.pem"),
            "{plan:?}"
        );
        assert!(
            plan.notes[0].contains("sudo /usr/sbin/update-ca-certificates"),
            "{plan:?}"
        );
    }

    #[test]
    fn what_a_system_lacks_is_said() {
        let bare = System {
            linux: true,
            root: true,
            ..System::default()
        };
        let plan = plan_for(&bare);
        assert_eq!(plan.steps, []);
        assert!(plan.notes[0].contains("No system trust store"), "{plan:?}");
        assert!(plan.notes[1].contains("certutil"), "{plan:?}");
        let other = plan_for(&System {
            linux: false,
            ..linux(true)
        });
        assert_eq!(other.steps, []);
        assert!(other.notes[0].contains("by hand"), "{other:?}");
    }

    #[test]
    fn databases_are_found_where_browsers_keep_them() {
        let home = tempfile::tempdir().unwrap();
        for profile in [
            ".pki/nssdb",
            ".mozilla/firefox/abc.default",
            "snap/firefox/common/.mozilla/firefox/x.y",
        ] {
            let directory = home.path().join(profile);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("cert9.db"), b"").unwrap();
        }
        std::fs::create_dir_all(home.path().join(".mozilla/firefox/no-profile")).unwrap();
        let found = System::look(Some(home.path())).nss_databases;
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn what_was_done_and_what_failed_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        std::fs::write(&from, b"x").unwrap();
        let steps = [
            Step::Copy {
                from: from.clone(),
                to: to.clone(),
            },
            Step::Run {
                program: directory.path().join("no-such-tool"),
                arguments: Vec::new(),
            },
        ];
        let done = steps.map(|step| (step.clone(), step.take().err())).to_vec();
        assert_eq!(std::fs::read(&to).unwrap(), b"x");
        let installation = Installation {
            done,
            notes: vec!["one note".to_owned()],
            certificate: from,
        };
        assert!(!installation.succeeded());
        let text = installation.to_string();
        for part in [
            "done:   cp ",
            "failed: ",
            "note:   one note",
            "NODE_EXTRA_CA_CERTS",
            "keytool",
            "macOS",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
