//! The examples do what their READMEs say.

use crate::console;
use crate::harness::Mc;
use mutual_testkit::{guest, repository_root};

/// Runs the page of an example with the program that was built already: building each is README.md's test.
fn check(name: &str, steps: usize) -> Mc {
    let path = format!("examples/{name}/README.md");
    let page = std::fs::read_to_string(repository_root().join(&path)).unwrap();
    let blocks = console::blocks(&page);
    assert_eq!(
        blocks.iter().map(Vec::len).sum::<usize>(),
        steps,
        "commands in {path}"
    );
    let mc = Mc::new();
    console::stand_in_repository(&mc);
    let (folder, program) = (
        format!("examples/{name}"),
        guest(name).display().to_string(),
    );
    console::check(&mc, &path, &blocks, |command| {
        let words = command.split(' ');
        let words = words.map(|word| if word == folder { &program } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    mc
}

#[test]
fn word_count() {
    check("word-count", 5);
}

#[test]
fn thumbnails() {
    let mc = check("thumbnails", 1);
    let page = mc.read("thumbs/index.html");
    for picture in ["fractal.png", "hills.jpg", "plot.png", "ripples.jpg"] {
        assert!(page.contains(&format!("pictures/{picture}")), "{page}");
        let thumbnail = std::fs::read(mc.work().join("thumbs/pictures").join(picture)).unwrap();
        let magic: &[u8] = if picture.ends_with("png") {
            b"\x89PNG"
        } else {
            b"\xff\xd8\xff"
        };
        assert!(thumbnail.starts_with(magic), "{picture}");
    }
}

#[test]
fn primes() {
    check("primes", 1);
}

#[test]
fn trim() {
    check("trim", 3);
}

/// Every example is in the list of examples, and has a test here or is text.
#[test]
fn every_example_is_listed() {
    let list = std::fs::read_to_string(repository_root().join("examples/README.md")).unwrap();
    let entries = std::fs::read_dir(repository_root().join("examples")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut listed: Vec<String> = names
        .filter(|name| name != "README.md" && !name.starts_with('.') && name != "target")
        .collect();
    listed.sort();
    assert_eq!(
        listed,
        [
            "answer.wat",
            "hello.wat",
            "primes",
            "thumbnails",
            "trim",
            "word-count"
        ]
    );
    for name in listed {
        assert!(list.contains(&format!("| [{name}]({name}) |")), "{name}");
    }
}

/// From source to output, as a person types it.
#[test]
fn a_folder_is_built_from_source() {
    let mc = Mc::new();
    let folder = repository_root().join("examples/primes");
    let ran = mc.run(["run".as_ref(), folder.as_os_str(), "1000".as_ref()]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "168 primes below 1000\n"),
        "{ran:#?}"
    );
}
