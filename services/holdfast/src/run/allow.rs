//! Grants: what a plan asks for, and what was given by flag, configuration or a person.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use holdfast_plan::Allow;
use holdfast_worker::config::Grants;

use crate::error::{Error, Result};

/// What a grant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program to run.
    Exec,
    /// A file or folder to read.
    Read,
    /// A file or folder to write.
    Write,
    /// A host to call.
    Host,
}

impl Kind {
    const ALL: [(Self, &str); 4] =
        [(Self::Exec, "exec"), (Self::Read, "read"), (Self::Write, "write"), (Self::Host, "host")];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

/// One thing that may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    kind: Kind,
    what: String,
}

/// One `--allow`: `exec=PROGRAM,read=PATH,write=PATH,host=HOST`. A value without a kind has that of the one before;
/// a comma that belongs to a value is written `\,`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag(Vec<Grant>);

impl FromStr for Flag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut grants, mut last) = (Vec::new(), None);
        for item in split(text) {
            let (kind, what) = match item.split_once('=').map(|(word, what)| (Kind::read(word), what)) {
                Some((Some(kind), what)) => (kind, what.to_owned()),
                _ => match last {
                    Some(kind) => (kind, item),
                    None => return Err(EXPECTED.to_owned()),
                },
            };
            if what.is_empty() {
                return Err(format!("nothing follows '{}='", kind.word()));
            }
            last = Some(kind);
            grants.push(Grant { kind, what });
        }
        Ok(Self(grants))
    }
}

const EXPECTED: &str = "expected KIND=VALUE[,…] where KIND is exec, read, write or host";

fn split(text: &str) -> Vec<String> {
    let (mut items, mut item, mut escaped) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            ',' if !escaped => items.push(std::mem::take(&mut item)),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            ',' | '\\' => item.push(character),
            other if escaped => item.extend(['\\', other]),
            other => item.push(other),
        }
        escaped = false;
    }
    items.push(item);
    items
}

/// Adds what the flags give.
pub(crate) fn add(grants: &mut Grants, flags: &[Flag]) {
    for grant in flags.iter().flat_map(|flag| &flag.0) {
        give(grants, grant);
    }
}

fn give(grants: &mut Grants, grant: &Grant) {
    let list = match grant.kind {
        Kind::Exec => &mut grants.exec,
        Kind::Read => &mut grants.read,
        Kind::Write => &mut grants.write,
        Kind::Host => &mut grants.hosts,
    };
    if !list.contains(&grant.what) {
        list.push(grant.what.clone());
    }
}

/// Sees to it that what the plan asks for is granted: already, or by a yes on the terminal.
///
/// # Errors
/// [`Error::Usage`] with the exact flag to add, where it is not.
pub(crate) fn settle(grants: &mut Grants, asked: &Allow, plan: &str) -> Result<()> {
    let missing: Vec<Grant> = wanted(asked).filter(|grant| !is_covered(grants, grant)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && confirmed(plan, &missing) {
        missing.iter().for_each(|grant| give(grants, grant));
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{plan} asks for what is not granted; to grant it add\n  --allow {}",
        flag(&missing)
    )))
}

fn wanted(asked: &Allow) -> impl Iterator<Item = Grant> {
    let of = |kind: Kind, list: &[String]| {
        list.iter().map(move |what| Grant { kind, what: what.clone() }).collect::<Vec<_>>()
    };
    let lists = [of(Kind::Exec, &asked.exec), of(Kind::Read, &asked.read), of(Kind::Write, &asked.write)];
    lists.into_iter().flatten()
}

fn is_covered(grants: &Grants, asked: &Grant) -> bool {
    let within = |list: &[String]| {
        let place = resolved(&asked.what);
        list.iter().any(|granted| place.starts_with(resolved(granted)))
    };
    match asked.kind {
        Kind::Exec => grants.exec.contains(&asked.what),
        Kind::Read => within(&grants.read),
        Kind::Write => within(&grants.write),
        Kind::Host => grants.hosts.contains(&asked.what),
    }
}

/// The place that a path means now: links followed as far as it exists, `..` taken out of the rest.
fn resolved(path: &str) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let existing = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, mut place)) = existing else { return path };
    for rest in path.strip_prefix(part).unwrap_or(Path::new("")).components() {
        match rest {
            Component::ParentDir => drop(place.pop()),
            other => place.push(other),
        }
    }
    place
}

fn confirmed(plan: &str, missing: &[Grant]) -> bool {
    let mut stderr = std::io::stderr().lock();
    let list: Vec<String> =
        missing.iter().map(|grant| format!("  {:5} {}", grant.kind.word(), grant.what)).collect();
    let asked = write!(stderr, "{plan} asks to\n{}\nGrant it for this run? [y/N] ", list.join("\n"));
    let mut answer = String::new();
    asked.and_then(|()| stderr.flush()).is_ok()
        && std::io::stdin().lock().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Writes the flag that grants all this, as it is typed in a shell.
fn flag(grants: &[Grant]) -> String {
    let item = |grant: &Grant| {
        format!("{}={}", grant.kind.word(), grant.what.replace('\\', "\\\\").replace(',', "\\,"))
    };
    let text = grants.iter().map(item).collect::<Vec<_>>().join(",");
    let plain = |character: char| character.is_ascii_alphanumeric() || "=,./_-+:@%".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked() -> Allow {
        Allow {
            exec: vec!["sha256sum".into()],
            read: vec!["some/libs".into()],
            write: vec!["a,b.txt".into()],
        }
    }

    #[test]
    fn the_flag_that_is_shown_grants_what_is_missing() {
        let told = settle(&mut Grants::default(), &asked(), "p.yaml").unwrap_err().to_string();
        let shown = told.rsplit_once("--allow ").unwrap().1.trim_matches('\'').to_owned();
        let mut grants = Grants::default();
        add(&mut grants, &[shown.parse().unwrap()]);
        settle(&mut grants, &asked(), "p.yaml").unwrap();
    }

    #[test]
    fn a_kind_holds_for_the_values_that_follow() {
        let Flag(grants) = "exec=sh,sha256sum,read=/a=b,host=*.example.com:443".parse().unwrap();
        let short: Vec<_> = grants.iter().map(|grant| (grant.kind, grant.what.as_str())).collect();
        assert_eq!(
            short,
            [
                (Kind::Exec, "sh"),
                (Kind::Exec, "sha256sum"),
                (Kind::Read, "/a=b"),
                (Kind::Host, "*.example.com:443")
            ]
        );
        for bad in ["", "sh", "exec=", "foo=bar"] {
            assert!(bad.parse::<Flag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_covers_what_is_below_it_and_nothing_beside_it() {
        let grants = Grants { read: vec!["data".into()], ..Grants::default() };
        let reads = |what: &str| is_covered(&grants, &Grant { kind: Kind::Read, what: what.into() });
        assert!(reads("data") && reads("./data/x/y") && reads("data/../data/z"));
        assert!(!reads("data2") && !reads("data/../etc") && !reads("/etc"));
    }
}
