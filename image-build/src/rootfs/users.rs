//! Users and groups: `sysusers.d` of the packages, read at build time, as sorted files.
//!
//! Numbers that packages leave to the machine come from the manifest: files on a disk that outlives an
//! image belong to numbers, so a number must never change because a package was added.

use super::error::RootfsError;
use super::replace_file;
use crate::manifest::Manifest;
use crate::tree::{Meta, Node, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// Where packages describe users.
const SYSUSERS: &str = "usr/lib/sysusers.d";
/// Bytes of one description.
const SYSUSERS_BYTES_MAX: u64 = 1 << 20;
/// The shell of whoever must not log in.
const NO_LOGIN: &str = "/usr/sbin/nologin";

/// A user before it has its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Option<u32>,
    group: Group,
    comment: String,
    home: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Group {
    /// One of its own name.
    Own,
    Number(u32),
}

impl User {
    /// A user whose number the manifest says, with a group of its own.
    pub fn system(name: &str, comment: &str, home: &str) -> Self {
        let (comment, home) = (comment.to_owned(), home.to_owned());
        Self { name: name.to_owned(), uid: None, group: Group::Own, comment, home }
    }
}

/// Users and groups by name, and who belongs to which group.
#[derive(Clone, Debug, Default)]
pub struct Users {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, Option<u32>>,
    members: BTreeMap<String, BTreeSet<String>>,
}

impl Users {
    /// Adds a user; the same one may come twice.
    pub fn add(&mut self, user: User) -> Result<(), RootfsError> {
        check_name(&user.name)?;
        let field = |text: &str| !text.contains([':', '\n']);
        if !field(&user.comment) || !field(&user.home) {
            return Err(bad(format!("{}: a colon or a line end", user.name)));
        }
        match self.users.get(&user.name) {
            Some(known) if *known != user => {
                Err(bad(format!("{} is described in two ways", user.name)))
            }
            _ => {
                self.users.insert(user.name.clone(), user);
                Ok(())
            }
        }
    }

    /// Adds a group whose number the manifest says.
    pub fn add_group(&mut self, name: &str) -> Result<(), RootfsError> {
        check_name(name)?;
        self.groups.entry(name.to_owned()).or_insert(None);
        Ok(())
    }

    /// Reads all descriptions in the tree, in the order of their names.
    pub fn read_sysusers(&mut self, tree: &Tree) -> Result<(), RootfsError> {
        let folder = TreePath::new(SYSUSERS.as_bytes())?;
        for (path, _, inode) in tree.children(&folder) {
            let Node::File(content) = &inode.node else { continue };
            if !path.name().ends_with(b".conf") {
                continue;
            }
            if content.length() > SYSUSERS_BYTES_MAX {
                return Err(bad(format!("{path} is too large")));
            }
            let unreadable = |source| RootfsError::File {
                action: "read",
                path: path.to_string().into(),
                source,
            };
            let text = String::from_utf8(content.read().map_err(unreadable)?)
                .map_err(|_| bad(format!("{path} is not in UTF-8")))?;
            for (index, line) in text.lines().enumerate() {
                self.read_line(line)
                    .map_err(|problem| bad(format!("{path}:{}: {problem}", index + 1)))?;
            }
        }
        Ok(())
    }

    /// `u name number "comment" home shell`, `g name number`, `m name group`, `r - range`.
    fn read_line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let words = split(line)?;
        let word = |at: usize| words.get(at).map(String::as_str).filter(|word| *word != "-");
        let name = word(1).unwrap_or_default();
        match words[0].as_str() {
            "u" | "u!" => {
                let (uid, group) = numbers(word(2))?;
                let home = word(4).unwrap_or("/").to_owned();
                let comment = word(3).unwrap_or_default().to_owned();
                let user = User { name: name.to_owned(), uid, group, comment, home };
                self.add(user).map_err(|error| error.to_string())
            }
            "g" => {
                check_name(name).map_err(|error| error.to_string())?;
                let (gid, _) = numbers(word(2))?;
                self.groups.insert(name.to_owned(), gid);
                Ok(())
            }
            "m" => {
                let group = word(2).ok_or("it names no group")?;
                self.members.entry(group.to_owned()).or_default().insert(name.to_owned());
                Ok(())
            }
            "r" => Ok(()),
            other => Err(format!("{other:?} is no kind of line that is known")),
        }
    }

    /// Writes passwd, group, shadow and gshadow, sorted by number. Nobody has a password; with
    /// `root_login` root needs none.
    pub fn write(
        &self,
        tree: &mut Tree,
        manifest: &Manifest,
        root_login: bool,
    ) -> Result<(), RootfsError> {
        let groups = self.numbered_groups(manifest)?;
        let users = self.numbered_users(manifest, &groups)?;
        let open = |name: &str| name == "root" && root_login;
        let (mut passwd, mut shadow) = (String::new(), String::new());
        for ((uid, name), (gid, user)) in &users {
            let shell = if open(name) { "/bin/bash" } else { NO_LOGIN };
            let (comment, home) = (&user.comment, &user.home);
            passwd += &format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n");
            let password = if open(name) { "" } else { "!*" };
            shadow += &format!("{name}:{password}:::::::\n");
        }
        let (mut group, mut gshadow) = (String::new(), String::new());
        for (gid, name) in &groups {
            let members: Vec<_> =
                self.members.get(name).into_iter().flatten().map(String::as_str).collect();
            let members = members.join(",");
            group += &format!("{name}:x:{gid}:{members}\n");
            gshadow += &format!("{name}:!*::{members}\n");
        }
        replace_file(tree, "/etc/passwd", 0o644, passwd.into_bytes())?;
        replace_file(tree, "/etc/group", 0o644, group.into_bytes())?;
        for (path, text) in [("/etc/shadow", shadow), ("/etc/gshadow", gshadow)] {
            replace_file(tree, path, 0o640, text.into_bytes())?;
            let gid =
                groups.iter().find(|(_, name)| name.as_str() == "shadow").map(|(gid, _)| *gid);
            let meta = Meta { gid: gid.unwrap_or(0), ..Meta::root(0o640) };
            tree.set_meta(&TreePath::from_archive(path.as_bytes())?, meta)?;
        }
        Ok(())
    }

    fn numbered_groups(&self, manifest: &Manifest) -> Result<BTreeMap<u32, String>, RootfsError> {
        let mut wanted: BTreeMap<&str, Option<u32>> =
            self.groups.iter().map(|(name, gid)| (name.as_str(), *gid)).collect();
        for user in self.users.values().filter(|user| user.group == Group::Own) {
            wanted.entry(&user.name).or_insert(user.uid);
        }
        let mut groups = BTreeMap::new();
        for (name, gid) in wanted {
            let gid = number(manifest, name, gid)?;
            if let Some(other) = groups.insert(gid, name.to_owned()) {
                return Err(bad(format!("groups {name} and {other} both have the number {gid}")));
            }
        }
        Ok(groups)
    }

    #[expect(clippy::type_complexity, reason = "two pairs that are used once, six lines below")]
    fn numbered_users(
        &self,
        manifest: &Manifest,
        groups: &BTreeMap<u32, String>,
    ) -> Result<BTreeMap<(u32, &str), (u32, &User)>, RootfsError> {
        let mut users = BTreeMap::new();
        let mut taken = BTreeMap::new();
        for (name, user) in &self.users {
            let uid = number(manifest, name, user.uid)?;
            if let Some(other) = taken.insert(uid, name) {
                return Err(bad(format!("users {name} and {other} both have the number {uid}")));
            }
            let gid = match user.group {
                Group::Number(gid) => Some(gid),
                Group::Own => groups.iter().find(|(_, group)| *group == name).map(|(gid, _)| *gid),
            };
            let gid = gid.ok_or_else(|| bad(format!("{name} has no group")))?;
            users.insert((uid, name.as_str()), (gid, user));
        }
        Ok(users)
    }
}

fn number(manifest: &Manifest, name: &str, number: Option<u32>) -> Result<u32, RootfsError> {
    number.or_else(|| manifest.ids.get(name).copied()).ok_or_else(|| {
        bad(format!("{name} has no number; give it one under ids in the manifest, for ever"))
    })
}

/// `number` or `number:group`; none if the machine may choose.
fn numbers(word: Option<&str>) -> Result<(Option<u32>, Group), String> {
    let Some(word) = word else { return Ok((None, Group::Own)) };
    let parse = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    match word.split_once(':') {
        None => Ok((Some(parse(word)?), Group::Own)),
        Some((uid, gid)) => Ok((Some(parse(uid)?), Group::Number(parse(gid)?))),
    }
}

/// Words between spaces; quotes hold one together.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
            None => rest.split_once([' ', '\t']).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_ascii_start();
    }
    Ok(words)
}

fn check_name(name: &str) -> Result<(), RootfsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let good = !name.is_empty() && name.len() <= 31 && name.bytes().all(allowed);
    if good && !name.starts_with('-') {
        return Ok(());
    }
    Err(bad(format!("{name:?} is no name of a user or a group")))
}

fn bad(problem: String) -> RootfsError {
    RootfsError::Users(problem)
}
