//! Where a path in the workspace leads.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::beneath::Dir;
use super::tree_error::TreeError;

/// Links on the way to one file, as many as the system itself would follow.
const MOST_LINKS: usize = 40;

/// A name in a directory, or the directory itself, with the name `.`.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: Rc<Dir>,
    pub(super) name: OsString,
    pub(super) kind: FileType,
}

impl Place {
    pub(super) fn path(&self) -> PathBuf {
        self.dir.at(&self.name)
    }
}

/// What is at a path below a directory. Links on the way are followed as long as they stay below it, whether they are
/// relative or begin with one of the `spellings` of its path. `None` when nothing is there.
pub(super) fn find(root: Dir, spellings: &[&Path], path: &Path) -> Result<Option<Place>, TreeError> {
    let mut way = vec![Rc::new(root)];
    let mut rest: VecDeque<OsString> = names(path);
    let mut links = 0;
    let outside = |path: PathBuf, root: &Dir, target: OsString| TreeError::Outside {
        path,
        root: root.path().to_owned(),
        target: target.into(),
    };
    // The link that is being followed, for the message when it leads out.
    let mut link: Option<(PathBuf, OsString)> = None;
    while let Some(name) = rest.pop_front() {
        // The root is never taken off the way.
        let Some(dir) = way.last().cloned() else { return Ok(None) };
        if name == ".." {
            if way.len() == 1 {
                let (path, target) = link.unwrap_or_else(|| (dir.at(&name), name));
                return Err(outside(path, &dir, target));
            }
            way.pop();
            continue;
        }
        match dir.kind(&name)? {
            None => return Ok(None),
            Some(FileType::Symlink) => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(TreeError::of(dir.at(&name))(Errno::LOOP));
                }
                let target = dir.target(&name)?;
                let below = Path::new(&target);
                let mut onward = if below.is_absolute() {
                    let inside = spellings.iter().find_map(|root| below.strip_prefix(root).ok());
                    let Some(inside) = inside else { return Err(outside(dir.at(&name), &way[0], target)) };
                    way.truncate(1);
                    names(inside)
                } else {
                    names(below)
                };
                onward.append(&mut rest);
                rest = onward;
                link = Some((dir.at(&name), target));
            }
            Some(FileType::Directory) if !rest.is_empty() => way.push(Rc::new(dir.enter(&name)?)),
            Some(_) if !rest.is_empty() => return Ok(None),
            Some(kind) => return Ok(Some(Place { dir, name, kind })),
        }
    }
    Ok(way.pop().map(|dir| Place { dir, name: OsStr::new(".").to_owned(), kind: FileType::Directory }))
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_as_long_as_they_stay_inside() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "x").unwrap();
        fs::write(place.path().join("secret"), "x").unwrap();
        for (link, target) in [
            ("relative", "a/b"),
            ("a/up", "../a/b/file"),
            ("chain", "relative/../up"),
            ("out", "../secret"),
            ("a/far", "b/../../../secret"),
            ("etc", "/etc"),
            ("loop", "loop"),
            ("dangling", "a/nothing"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("a/b"), root.join("absolute")).unwrap();
        let look = |path: &str| {
            let found = find(Dir::open(&root).unwrap(), &[&root], Path::new(path));
            match found.map_err(|error| error.to_string()) {
                Ok(place) => place.map_or("nothing".to_owned(), |place| {
                    place.path().strip_prefix(&root).unwrap().display().to_string()
                }),
                Err(error) if error.contains("leads out of") => "outside".to_owned(),
                Err(error) => error.replace(&*root.to_string_lossy(), ""),
            }
        };
        for (path, expected) in [
            ("a/b/file", "a/b/file"),
            ("./a//b/", "a/b"),
            (".", ""),
            ("relative/file", "a/b/file"),
            ("a/up", "a/b/file"),
            ("chain", "a/b/file"),
            ("absolute/file", "a/b/file"),
            ("out", "outside"),
            ("a/far", "outside"),
            ("etc/passwd", "outside"),
            ("dangling", "nothing"),
            ("a/b/file/x", "nothing"),
            ("absent/x", "nothing"),
        ] {
            assert_eq!(look(path), expected, "{path}");
        }
        assert!(look("loop").contains("loop"), "{}", look("loop"));
    }
}
