//! `mc add`, `mc cat` and `mc get CID`: content under the identifiers that IPFS gives it.

use super::names;
use crate::harness::Mc;
use mutual_testkit::repository_root;

/// Byte `i` is `i` mod 251, as in host/content/vectors/unixfs.mjs.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// What Helia's importer printed: lines of `kind name … cid size`.
fn vectors() -> Vec<Vec<String>> {
    let path = repository_root().join("host/content/vectors/unixfs.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect()
}

#[test]
fn files_have_the_identifiers_that_helia_gives_them() {
    let mc = Mc::new();
    let mut checked = 0;
    for vector in vectors() {
        // Chunks of a mebibyte, 1,024 links: the profile that is used here.
        let [kind, size, chunk, links, cid, _] = vector.as_slice() else {
            continue;
        };
        if (kind.as_str(), chunk.as_str(), links.as_str()) != ("file", "1048576", "1024") {
            continue;
        }
        let bytes = content(size.parse().unwrap());
        mc.write("file", &bytes);
        assert_eq!(
            mc.run(["add", "file"]).clean().stdout,
            format!("{cid}  file\n")
        );
        let cat = mc.pipe_bytes(["cat", cid], b"");
        assert!(cat.status.success() && cat.stdout == bytes, "{size} bytes");
        checked += 1;
    }
    assert_eq!(checked, 6);
}

#[test]
fn a_folder_has_the_identifier_that_helia_gives_it() {
    let mc = Mc::new();
    mc.write("one/a.txt", "a.txt");
    let expected = vectors()
        .into_iter()
        .find(|vector| vector[..2] == ["directory", "one"])
        .unwrap();
    let cid = &expected[2];
    assert_eq!(
        mc.run(["add", "-o", "id", "one"]).clean().stdout,
        format!("{cid}\n")
    );
    // Hidden names are left out unless they are asked for.
    mc.write("one/.hidden", "h");
    assert_eq!(
        mc.run(["add", "-o", "id", "one"]).clean().stdout,
        format!("{cid}\n")
    );
    assert_ne!(
        mc.run(["add", "-o", "id", "--hidden", "one"])
            .clean()
            .stdout,
        format!("{cid}\n")
    );
    assert_eq!(mc.run(["get", cid, "back"]).code, Some(0));
    assert_eq!(names(&mc, "back"), ["a.txt"]);
}

#[test]
fn several_are_added_at_once() {
    let mc = Mc::new();
    mc.write("a", "1");
    mc.write("b", "22");
    let ran = mc.run(["add", "-o", "json", "a", "b"]).clean().json();
    assert_eq!(ran["schema"], "mc.v1/added");
    let items: Vec<_> = ran["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["path"].as_str().unwrap(),
                item["size"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(items, [("a", 1), ("b", 2)]);
    assert_eq!(
        mc.run(["add", "-o", "jsonl", "a", "b"])
            .clean()
            .stdout
            .lines()
            .count(),
        2
    );
    mc.run(["add", "a", "missing"])
        .fails(1, "mc::input::not-found");
}

#[test]
fn content_is_fetched_into_a_file() {
    let mc = Mc::new();
    let bytes = content(3_000_000);
    mc.write("big", &bytes);
    let cid = mc
        .run(["add", "-o", "id", "big"])
        .clean()
        .stdout
        .trim()
        .to_owned();
    let got = mc.run(["get", &cid, "copy"]);
    assert_eq!((got.code, got.stderr.as_str()), (Some(0), "copy\n"));
    assert!(std::fs::read(mc.work().join("copy")).unwrap() == bytes);
    assert_eq!(mc.run(["get", &cid]).code, Some(0));
    assert!(mc.work().join(&cid).is_file());
}

#[test]
fn a_program_can_be_taken_out_again_by_its_identifier() {
    let mc = Mc::new();
    let ran = mc
        .run([
            "run".into(),
            "--json".into(),
            mutual_testkit::guest("p1-hello.wat"),
        ])
        .clean()
        .json();
    let cid = ran["program"]["cid"].as_str().unwrap();
    mc.run(["get", cid, "hello.wasm"]);
    assert_eq!(
        mc.run(["run", "hello.wasm"]).clean().stdout,
        "hello from p1\n"
    );
}

#[test]
fn unknown_and_wrong_identifiers_are_told_apart() {
    let mc = Mc::new();
    let cid = "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu";
    for command in ["cat", "get"] {
        mc.run([command, cid]).fails(5, "mc::content::not-found");
        mc.run([command, "bafynonsense"])
            .fails(2, "mc::content::cid");
    }
    mc.write("folder/x", "y");
    let folder = mc.run(["add", "-o", "id", "folder"]).stdout;
    let ran = mc
        .run(["cat", folder.trim()])
        .fails(1, "mc::input::not-a-file");
    assert!(ran.stderr.contains("mc get"), "{ran:#?}");
}
