//! `-i`: files and folders that the program gets, as copies that it cannot change.

use super::files;
use crate::harness::Mc;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_file_has_its_own_name_in_the_root() {
    let mc = Mc::new();
    mc.write("deep/in/notes.txt", "hello");
    let ran = files(&mc, &["-i", "deep/in/notes.txt"], &["read", "/notes.txt"]);
    assert_eq!(ran.clean().stdout, "hello");
    // The root is the working folder too.
    let ran = files(&mc, &["-i", "deep/in/notes.txt"], &["read", "notes.txt"]);
    assert_eq!(ran.clean().stdout, "hello");
}

#[test]
fn a_file_goes_where_it_is_told() {
    let mc = Mc::new();
    mc.write("a:b", "colon");
    mc.write("a", "plain");
    let ran = files(
        &mc,
        &["-i", "a:/data/x", "-i", "a:b", "-i", "a:b:/c"],
        &["read", "/data/x", ",", "read", "/a:b", ",", "read", "/c"],
    );
    assert_eq!(ran.clean().stdout, "plaincoloncolon");
}

#[test]
fn a_folder_comes_whole_hidden_files_too() {
    let mc = Mc::new();
    mc.write("data/a.txt", "a");
    mc.write("data/.hidden", "h");
    mc.write("data/sub/b.txt", "b");
    mc.write("data/.mcignore", "*\n");
    std::fs::create_dir(mc.work().join("data/empty")).unwrap();
    let commands = [
        "list",
        "/data",
        ",",
        "list",
        "/data/sub",
        ",",
        "list",
        "/data/empty",
        ",",
        "read",
        "/data/.hidden",
    ];
    let ran = files(&mc, &["-i", "data"], &commands).clean();
    assert_eq!(
        ran.stdout,
        ".hidden\n.mcignore\na.txt\nempty/\nsub/\nb.txt\nh"
    );
    let ran = files(&mc, &["-i", "data/:/in/here"], &["list", "/in/here"]).clean();
    assert_eq!(ran.stdout, ".hidden\n.mcignore\na.txt\nempty/\nsub/\n");
}

#[test]
fn standard_input_can_be_a_file() {
    let mc = Mc::new();
    let program = mutual_testkit::guest("files").display().to_string();
    let ran = mc.pipe(
        ["run", "-i", "-:/data/in", &program, "read", "/data/in"],
        b"\0\xffpiped",
    );
    assert_eq!(ran.clean().stdout, "\0\u{fffd}piped");
    let ran = mc.pipe(["run", "-i", "-", &program, "list", "/"], b"");
    ran.fails(2, "mc::path::invalid");
}

#[test]
fn content_of_the_store_needs_no_file() {
    let mc = Mc::new();
    mc.write("data/a.txt", "by its identifier");
    mc.write("data/sub/b.txt", "b");
    let file = mc.run(["add", "-o", "id", "data/a.txt"]).clean().stdout;
    let folder = mc.run(["add", "-o", "id", "data"]).clean().stdout;
    std::fs::remove_dir_all(mc.work().join("data")).unwrap();
    let options = [
        format!("cid:{}:/x", file.trim()),
        format!("cid:{}:/d", folder.trim()),
    ];
    let ran = files(
        &mc,
        &["-i", &options[0], "-i", &options[1]],
        &["read", "/x", ",", "list", "/d", ",", "read", "/d/sub/b.txt"],
    );
    assert_eq!(ran.clean().stdout, "by its identifiera.txt\nsub/\nb");
}

#[test]
fn content_that_is_not_here_is_named() {
    let mc = Mc::new();
    let missing = "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu";
    let ran = files(&mc, &["-i", &format!("cid:{missing}:/x")], &["list", "/"]);
    assert!(
        ran.fails(125, "mc::content::not-found")
            .stderr
            .contains(missing)
    );
    files(&mc, &["-i", "cid:nonsense:/x"], &["list", "/"]).fails(2, "mc::content::cid");
    files(&mc, &["-i", &format!("cid:{missing}")], &["list", "/"]).fails(2, "mc::path::invalid");
}

/// The program gets an error for each way to change a file that it was given, and the original stays as it is.
#[test]
fn inputs_cannot_be_changed() {
    let mc = Mc::new();
    let original = mc.write("data/a.txt", "original");
    let before = std::fs::metadata(&original).unwrap();
    let ran = files(
        &mc,
        &["-i", "data", "-i", "data/a.txt"],
        &[
            "write",
            "/a.txt",
            "x",
            ",",
            "append",
            "/a.txt",
            "x",
            ",",
            "write",
            "/data/a.txt",
            "x",
            ",",
            "append",
            "/data/a.txt",
            "x",
            ",",
            "read",
            "/a.txt",
        ],
    );
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let refused = "write /a.txt: PermissionDenied\nappend /a.txt: PermissionDenied\n\
                   write /data/a.txt: PermissionDenied\nappend /data/a.txt: PermissionDenied\noriginal";
    assert_eq!(ran.stdout, refused);
    // Removing the copy, and adding files beside it, is the program's own matter.
    let ran = files(
        &mc,
        &["-i", "data"],
        &[
            "remove",
            "/data/a.txt",
            ",",
            "write",
            "/data/new",
            "x",
            ",",
            "list",
            "/data",
        ],
    );
    assert_eq!(ran.clean().stdout, "new\n");
    let after = std::fs::metadata(&original).unwrap();
    assert_eq!(mc.read("data/a.txt"), "original");
    assert_eq!(super::names(&mc, "data"), ["a.txt"]);
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

/// The one attribute that travels: from here into the program's world and back.
#[test]
fn the_executable_bit_travels() {
    let mc = Mc::new();
    for (name, mode) in [("run.sh", 0o755), ("plain", 0o644)] {
        let path = mc.write(name, "x");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let options = ["-i", "run.sh", "-i", "plain", "-O", "/s", "-O", "/p"];
    files(
        &mc,
        &options,
        &["rename", "/run.sh", "/s", ",", "rename", "/plain", "/p"],
    )
    .clean();
    let mode = |name: &str| {
        std::fs::metadata(mc.work().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o111
    };
    assert_ne!(mode("s"), 0);
    assert_eq!(mode("p"), 0);
}

/// `/.mc` is where progress is told and named folders lie.
#[test]
fn our_own_folder_is_nobodys_path() {
    let mc = Mc::new();
    mc.write("x", "y");
    for options in [["-i", "x:/.mc/progress"], ["-O", "/.mc"]] {
        files(&mc, &options, &["list", "/"]).fails(2, "mc::path::invalid");
    }
}

#[test]
fn the_root_holds_nothing_else() {
    let mc = Mc::new();
    let ran = files(
        &mc,
        &[],
        &[
            "list",
            "/",
            ",",
            "list",
            "/out",
            ",",
            "list",
            "/tmp",
            ",",
            "write",
            "/anywhere/x",
            "y",
            ",",
            "mkdir",
            "/any/where",
        ],
    );
    assert_eq!(
        ran.stdout,
        ".mc/\nout/\ntmp/\nwrite /anywhere/x: NotFound\n"
    );
    let ran = files(
        &mc,
        &[],
        &[
            "list",
            "/..",
            ",",
            "read",
            "/../../../etc/passwd",
            ",",
            "read",
            "../etc/passwd",
        ],
    );
    assert!(!ran.stdout.contains("root:"), "{ran:#?}");
    assert_eq!(ran.code, Some(1));
}
