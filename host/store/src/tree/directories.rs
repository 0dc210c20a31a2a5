//! Trees as UnixFS directories in the store, and back.

use super::{DirectoryTreeError, Symlink, Tree};
use crate::blocks::BlockStore;
use mutual_content::{
    Block, Directory, DirectoryReader, FinishDirectoryError, Kind, Link, dag_size, kind, symlink,
};
use mutual_protocol::manifest::{Entry, GuestPath, Node};
use mutual_protocol::{Cid, ids::Codec, limits::BLOCK_BYTES_MAX};
use std::collections::BTreeMap;

/// A folder in the making: what is finished, and folders by name.
#[derive(Default)]
struct Folder {
    links: Vec<(String, Link)>,
    folders: BTreeMap<String, Self>,
}

/// Puts the directory of `tree`.
pub(super) fn put(store: &BlockStore, tree: &Tree) -> Result<Link, DirectoryTreeError> {
    let mut root = Folder::default();
    for Entry { path, node } in &tree.entries {
        match node {
            Node::Directory => drop(root.at(path.names())),
            Node::File { cid, size, .. } => {
                let tsize = match cid.codec() {
                    Codec::Raw => *size,
                    _ => dag_size(*cid, &store.get(*cid, BLOCK_BYTES_MAX)?)?,
                };
                root.add(path, Link { cid: *cid, tsize });
            }
        }
    }
    for Symlink { path, target } in &tree.symlinks {
        let link = symlink(target, &mut |block: Block<'_>| store.put_block(block))?;
        root.add(path, link);
    }
    root.put(store)
}

impl Folder {
    /// The folder below this one that `names` lead to.
    fn at<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> &mut Self {
        names.fold(self, |folder, name| {
            folder.folders.entry(name.to_owned()).or_default()
        })
    }

    fn add(&mut self, path: &GuestPath, link: Link) {
        let folders = path.names().count().saturating_sub(1);
        self.at(path.names().take(folders))
            .links
            .push((path.name().to_owned(), link));
    }

    /// Puts this folder's directory after those below it. The depth of guest paths bounds the recursion.
    fn put(self, store: &BlockStore) -> Result<Link, DirectoryTreeError> {
        let mut directory = Directory::new();
        for (name, link) in self.links {
            directory.insert(&name, link)?;
        }
        for (name, folder) in self.folders {
            directory.insert(&name, folder.put(store)?)?;
        }
        directory
            .finish(&mut |block: Block<'_>| store.put_block(block))
            .map_err(|error| match error {
                FinishDirectoryError::Emit(error) => error.into(),
                FinishDirectoryError::SameHash { first, second } => {
                    DirectoryTreeError::SameHash { first, second }
                }
            })
    }
}

/// Reads the directory `root` with everything below it.
pub(super) fn list(
    store: &BlockStore,
    root: Cid,
    entries_max: usize,
) -> Result<Tree, DirectoryTreeError> {
    let mut tree = Tree::default();
    let mut open: Vec<(Option<GuestPath>, Cid)> = vec![(None, root)];
    let mut count = 0;
    while let Some((folder, cid)) = open.pop() {
        let mut reader = DirectoryReader::new(cid, entries_max - count);
        let mut is_empty = true;
        while let Some(shard) = reader.want() {
            for entry in reader.handle_block(&store.get(shard, BLOCK_BYTES_MAX)?)? {
                is_empty = false;
                count += 1;
                let path = match &folder {
                    Some(folder) => folder.join(&entry.name)?,
                    None => GuestPath::parse(&entry.name)?,
                };
                match look(store, entry.link.cid)? {
                    Kind::Directory => open.push((Some(path), entry.link.cid)),
                    Kind::Symlink { target } => tree.symlinks.push(Symlink { path, target }),
                    Kind::File { size } => {
                        let node = Node::File {
                            cid: entry.link.cid,
                            size,
                            executable: false,
                        };
                        tree.entries.push(Entry { path, node });
                    }
                    _ => {}
                }
            }
        }
        if let (true, Some(path)) = (is_empty, folder) {
            tree.entries.push(Entry {
                path,
                node: Node::Directory,
            });
        }
    }
    tree.entries
        .sort_by(|a, b| a.path.names().cmp(b.path.names()));
    tree.symlinks
        .sort_by(|a, b| a.path.names().cmp(b.path.names()));
    Ok(tree)
}

/// What a directory entry is. A raw block need not be read for it.
fn look(store: &BlockStore, cid: Cid) -> Result<Kind, DirectoryTreeError> {
    match (cid.codec(), store.size(cid)) {
        (Codec::Raw, Some(size)) => Ok(Kind::File { size }),
        _ => Ok(kind(cid, &store.get(cid, BLOCK_BYTES_MAX)?)?),
    }
}
