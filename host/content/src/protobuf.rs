//! The part of the protobuf wire format that dag-pb and UnixFS use: varints and byte strings.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which only UnixFS times use: their value is of no interest here.
    Fixed,
}

/// The bytes are cut short, a varint is longer than 64 bits, or a wire type is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireError;

/// Reads the fields of one message in order; after an error it ends.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), WireError> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(WireError),
        };
        Ok((key >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let (value, rest) = varint(self.rest).ok_or(WireError)?;
        self.rest = rest;
        Ok(value)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(WireError)?;
        self.rest = rest;
        Ok(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// One varint and what follows it; `None` when it is cut short or does not fit 64 bits.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..).map(|rest| (value, rest));
        }
    }
    None
}

/// Appends a varint field.
pub(crate) fn put_varint(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    push_varint(out, value);
}

/// Appends a byte-string field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        let [low, ..] = value.to_le_bytes();
        out.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    out.push(low);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, 1, u64::MAX);
        put_bytes(&mut bytes, 2, b"xy");
        let fields: Vec<_> = Fields::new(&bytes).collect();
        assert_eq!(
            fields,
            [
                Ok((1, Value::Varint(u64::MAX))),
                Ok((2, Value::Bytes(b"xy")))
            ]
        );
    }

    #[test]
    fn damage_is_an_error_and_ends_the_message() {
        let too_long = [0xff_u8; 11];
        assert_eq!(varint(&too_long), None);
        assert_eq!(
            varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            None
        );
        for bad in [&b"\x0a\x05ab"[..], b"\x08", b"\x0b", b"\x09\x00"] {
            let fields: Vec<_> = Fields::new(bad).collect();
            assert_eq!(fields, [Err(WireError)], "{bad:?}");
        }
    }
}
