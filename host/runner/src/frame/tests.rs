//! Frames against every way of cutting a stream, and against bytes that nobody meant as frames.

use super::*;
use proptest::prelude::*;

fn feed(
    decoder: &mut Decoder,
    mut bytes: &[u8],
    step: usize,
) -> Result<Vec<(Kind, Vec<u8>)>, FrameError> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let space = decoder.space();
        let count = space.len().min(step).min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.advance(count);
        bytes = &bytes[count..];
        while let Some((kind, body)) = decoder.take()? {
            frames.push((kind, body.to_vec()));
        }
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_frames(
        frames in proptest::collection::vec((0..Kind::ALL.len(), proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
        step in 1_usize..400,
    ) {
        let frames: Vec<_> = frames.into_iter().map(|(kind, body)| (Kind::ALL[kind], body)).collect();
        let mut stream = Vec::new();
        for (kind, body) in &frames {
            append(&mut stream, *kind, body);
        }
        prop_assert_eq!(feed(&mut Decoder::default(), &stream, step).unwrap(), frames);
    }

    #[test]
    fn random_bytes_neither_panic_nor_take_memory(bytes in proptest::collection::vec(any::<u8>(), 0..4096), step in 1_usize..99) {
        let mut decoder = Decoder::default();
        let result = feed(&mut decoder, &bytes, step);
        prop_assert!(decoder.buffer.len() <= FRAME_BYTES_MAX + HEADER_BYTES);
        if let Err(error) = result {
            prop_assert_eq!(decoder.take().unwrap_err(), error);
        }
    }
}

#[test]
fn the_largest_frame_passes_and_one_byte_more_does_not() {
    let body = vec![7; FRAME_BYTES_MAX - 1];
    let mut stream = Vec::new();
    append(&mut stream, Kind::Stdout, &body);
    append(&mut stream, Kind::Ended, b"x");
    let frames = feed(&mut Decoder::default(), &stream, 100_000).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].1.len(), body.len());
    let too_long = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    let mut stream = too_long.to_le_bytes().to_vec();
    stream.push(65);
    let mut decoder = Decoder::default();
    assert_eq!(
        feed(&mut decoder, &stream, 5),
        Err(FrameError::Length { bytes: too_long })
    );
    assert_eq!(decoder.space().len(), BUFFER_BYTES - HEADER_BYTES);
}

#[test]
fn zero_length_and_unknown_kinds_are_refused() {
    let zero = [0, 0, 0, 0, 64];
    assert_eq!(
        feed(&mut Decoder::default(), &zero, 9),
        Err(FrameError::Length { bytes: 0 })
    );
    let unknown = [1, 0, 0, 0, 200];
    assert_eq!(
        feed(&mut Decoder::default(), &unknown, 9),
        Err(FrameError::Kind { kind: 200 })
    );
}

#[test]
fn every_kind_has_its_own_byte() {
    for kind in Kind::ALL {
        assert_eq!(Kind::of(kind as u8), Some(kind));
    }
}
