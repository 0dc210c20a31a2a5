//! The cache against harm: every kind of wrong file is as good as absent.

use super::*;
use mutual_protocol::ids::Codec;
use std::os::unix::fs::PermissionsExt;

fn cache(folder: &Path) -> CompileCache {
    CompileCache::open(folder, BuildId("engine 1".to_owned())).unwrap()
}

fn key(content: &[u8], metering: Metering) -> ProgramKey {
    ProgramKey {
        program: Cid::of(Codec::Raw, content),
        kind: ProgramKind::Module,
        metering,
    }
}

fn program(code: &[u8]) -> CompiledProgram {
    let code = SealedFile::from_bytes(code).unwrap();
    CompiledProgram {
        code,
        kind: ProgramKind::Module,
        metering: Metering::None,
    }
}

fn code(found: Option<CompiledProgram>) -> Option<Vec<u8>> {
    found.map(|program| program.code.read().unwrap())
}

#[test]
fn what_is_kept_is_found_by_its_key_alone() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a/b");
    let (one, two) = (key(b"1", Metering::None), key(b"2", Metering::None));
    cache(&folder).keep(&one, &program(b"code")).unwrap();
    let again = cache(&folder);
    assert_eq!(code(again.find(&one)).as_deref(), Some(&b"code"[..]));
    assert!(again.find(&two).is_none());
    assert!(again.find(&key(b"1", Metering::Fuel)).is_none());
    let other = CompileCache::open(&folder, BuildId("engine 2".to_owned())).unwrap();
    assert!(other.find(&one).is_none());
}

#[test]
fn a_harmed_file_is_not_found_and_not_left() {
    let root = tempfile::tempdir().unwrap();
    let cache = cache(root.path().join("c").as_path());
    let key = key(b"1", Metering::None);
    cache.keep(&key, &program(b"some code")).unwrap();
    let whole = std::fs::read(cache.path(&key)).unwrap();
    for position in [0, 9, MAGIC.len() + MAC_BYTES, whole.len() - 1] {
        let mut harmed = whole.clone();
        harmed[position] ^= 1;
        std::fs::write(cache.path(&key), &harmed).unwrap();
        assert!(cache.find(&key).is_none(), "byte {position}");
        assert!(!cache.path(&key).exists());
    }
    for length in [0, 20, whole.len() - 1] {
        std::fs::write(cache.path(&key), &whole[..length]).unwrap();
        assert!(cache.find(&key).is_none(), "length {length}");
    }
}

#[test]
fn a_file_under_another_name_is_not_believed() {
    let root = tempfile::tempdir().unwrap();
    let cache = cache(root.path().join("c").as_path());
    let (one, two) = (key(b"1", Metering::None), key(b"2", Metering::None));
    cache.keep(&one, &program(b"code")).unwrap();
    std::fs::rename(cache.path(&one), cache.path(&two)).unwrap();
    assert!(cache.find(&two).is_none());
}

#[test]
fn a_file_of_another_secret_is_not_believed() {
    let root = tempfile::tempdir().unwrap();
    let (mine, theirs) = (cache(&root.path().join("m")), cache(&root.path().join("t")));
    let key = key(b"1", Metering::None);
    theirs.keep(&key, &program(b"code")).unwrap();
    std::fs::copy(theirs.path(&key), mine.path(&key)).unwrap();
    assert!(mine.find(&key).is_none());
}

#[test]
fn folder_and_secret_must_be_private() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("c");
    let made = cache(&folder);
    for path in [folder.clone(), folder.join(SECRET_NAME)] {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode | 0o040)).unwrap();
        let error = CompileCache::open(&folder, made.build.clone()).unwrap_err();
        assert!(matches!(error, OpenCacheError::Exposed { .. }));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_secret_of_the_wrong_length_is_made_anew() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("c");
    let first = cache(&folder).secret;
    std::fs::write(folder.join(SECRET_NAME), b"short").unwrap();
    assert_ne!(cache(&folder).secret, first);
    assert_eq!(cache(&folder).secret, cache(&folder).secret);
}

#[test]
fn a_cache_that_cannot_be_made_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = CompileCache::open(&file.join("c"), BuildId(String::new())).unwrap_err();
    assert!(matches!(error, OpenCacheError::Io { .. }));
}

#[test]
fn collecting_removes_what_was_unused_longest() {
    let root = tempfile::tempdir().unwrap();
    let cache = cache(root.path().join("c").as_path());
    let keys = [b"1", b"2", b"3"].map(|content| key(content, Metering::None));
    for (age, key) in keys.iter().enumerate() {
        cache.keep(key, &program(&[0; 1000])).unwrap();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + age as u64);
        File::open(cache.path(key))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    assert!(cache.find(&keys[0]).is_some(), "makes it the youngest");
    cache.collect(2500).unwrap();
    let left: Vec<_> = keys.iter().map(|key| cache.path(key).exists()).collect();
    assert_eq!(left, [true, false, true]);
    cache.collect(0).unwrap();
    assert_eq!(
        std::fs::read_dir(&cache.folder).unwrap().count(),
        1,
        "the secret stays"
    );
}
