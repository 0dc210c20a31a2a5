//! One picture: read, turn upright, shrink, write.

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader};
use std::{error::Error, fmt, path::Path};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    fn of(image: &DynamicImage) -> Self {
        Self {
            width: image.width(),
            height: image.height(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) picture: Size,
    pub(crate) thumbnail: Size,
}

/// Whether the name is one of a PNG or JPEG file.
pub(crate) fn is_picture(path: &Path) -> bool {
    format(path).is_some()
}

/// Writes a thumbnail whose sides are at most `size`, in the format that its name says. Small pictures stay as they are.
pub(crate) fn shrink(from: &Path, to: &Path, size: u32) -> Result<Sizes, Box<dyn Error>> {
    let picture = open_upright(from)?;
    let thumbnail = if picture.width().max(picture.height()) > size {
        picture.thumbnail(size, size)
    } else {
        picture.clone()
    };
    thumbnail.save_with_format(to, format(to).ok_or("not the name of a picture")?)?;
    Ok(Sizes {
        picture: Size::of(&picture),
        thumbnail: Size::of(&thumbnail),
    })
}

/// Cameras write pictures as the sensor lies, and beside them how it was held.
fn open_upright(path: &Path) -> Result<DynamicImage, Box<dyn Error>> {
    let mut decoder = ImageReader::open(path)?
        .with_guessed_format()?
        .into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn format(path: &Path) -> Option<ImageFormat> {
    ImageFormat::from_path(path)
        .ok()
        .filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn shrunk(name: &str, size: u32) -> (Sizes, DynamicImage) {
        let to =
            std::env::temp_dir().join(format!("thumbnails-{}-{size}-{name}", std::process::id()));
        let sizes = shrink(&Path::new("pictures").join(name), &to, size).unwrap();
        let written = image::open(&to).unwrap();
        fs::remove_file(to).unwrap();
        (sizes, written)
    }

    #[test]
    fn thumbnails_keep_the_proportions() {
        for (name, width, height) in [
            ("fractal.png", 160, 120),
            ("hills.jpg", 160, 90),
            ("plot.png", 160, 100),
        ] {
            let (sizes, written) = shrunk(name, 160);
            assert_eq!(sizes.thumbnail, Size { width, height }, "{name}");
            assert_eq!(Size::of(&written), sizes.thumbnail, "{name}");
        }
    }

    #[test]
    fn pictures_are_turned_upright() {
        let (width, height) = image::image_dimensions("pictures/ripples.jpg").unwrap();
        let (sizes, _) = shrunk("ripples.jpg", 160);
        assert_eq!(
            sizes.picture,
            Size {
                width: height,
                height: width
            }
        );
        assert_eq!(
            sizes.thumbnail,
            Size {
                width: 120,
                height: 160
            }
        );
    }

    #[test]
    fn small_pictures_stay_as_they_are() {
        let (sizes, written) = shrunk("plot.png", 4096);
        assert_eq!(sizes.thumbnail, sizes.picture);
        assert_eq!(written, image::open("pictures/plot.png").unwrap());
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let to = std::env::temp_dir().join(format!("thumbnails-{}.png", std::process::id()));
        assert!(shrink(Path::new("Cargo.toml"), &to, 160).is_err());
        assert!(!to.exists());
        assert!(is_picture(Path::new("/a/B.JPEG")));
        assert!(!is_picture(Path::new("/a/b.gif")));
    }
}
