//! Makes thumbnails of PNG and JPEG pictures, and a page that shows them.

mod arguments;
mod page;
mod picture;

use arguments::Arguments;
use std::{
    error::Error,
    fs, io,
    path::{Component, Path, PathBuf},
};

#[mutual_guest::main]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let pictures = pictures(&arguments.sources)?;
    if pictures.is_empty() {
        return Err("no PNG or JPEG picture: add some with `-i FOLDER`".into());
    }

    let mut shown = Vec::new();
    for (done, path) in pictures.iter().enumerate() {
        let name = name(path);
        mutual_guest::progress(done, pictures.len(), &name);
        let made = mutual_guest::output(&name)
            .map_err(Into::into)
            .and_then(|output| picture::shrink(path, &output, arguments.size));
        match made {
            Ok(sizes) => {
                println!("{name}: {} -> {}", sizes.picture, sizes.thumbnail);
                shown.push((name, sizes));
            }
            Err(error) => eprintln!("{name}: {error}"),
        }
    }
    fs::write(mutual_guest::output("index.html")?, page::html(&shown))?;

    let failed = pictures.len() - shown.len();
    if failed > 0 {
        return Err(format!("{failed} of {} pictures could not be read", pictures.len()).into());
    }
    println!("{} thumbnails and index.html", shown.len());
    Ok(())
}

/// The pictures among these files and in these folders; among all inputs when none are given.
fn pictures(sources: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if sources.is_empty() {
        files = mutual_guest::inputs()?;
    }
    for source in sources {
        if source.is_dir() {
            let entries = fs::read_dir(source)?;
            let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
            files.extend(paths?);
        } else {
            files.push(source.clone());
        }
    }
    files.retain(|path| picture::is_picture(path));
    files.sort();
    Ok(files)
}

/// The path as the page links to it: below the root, with forward slashes.
fn name(path: &Path) -> String {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_of_a_folder_are_taken() {
        let found = pictures(&["pictures".into()]).unwrap();
        let names: Vec<String> = found.iter().map(|path| name(path)).collect();
        let expected = ["fractal.png", "hills.jpg", "plot.png", "ripples.jpg"];
        assert_eq!(names, expected.map(|name| format!("pictures/{name}")));
        assert!(pictures(&["Cargo.toml".into()]).unwrap().is_empty());
    }

    #[test]
    fn names_stay_below_the_root() {
        assert_eq!(name(Path::new("/pictures/a.png")), "pictures/a.png");
        assert_eq!(name(Path::new("../../a.png")), "a.png");
    }
}
