//! Single fields of encoded messages, without making the messages: of most answers a load needs
//! one number.

use tonic::Status;

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'b> {
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'b [u8]),
}

/// The fields of a message, in its order.
pub(crate) struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    pub(crate) fn of(message: &'b [u8]) -> Fields<'b> {
        Fields(message)
    }

    /// The next field's number and value.
    fn field(&mut self) -> Option<(u64, Value<'b>)> {
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Bytes(self.bytes(8)?),
            2 => {
                let length = self.number()?;
                Value::Bytes(self.bytes(usize::try_from(length).ok()?)?)
            }
            5 => Value::Bytes(self.bytes(4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u64, Value<'b>), Status>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| Status::internal("the answer is no message")))
    }
}

/// The number in the field, or 0 if it is not there.
pub(crate) fn number(message: &[u8], field: u64) -> Result<u64, Status> {
    let mut found = 0;
    for one in Fields::of(message) {
        if let (number, Value::Number(value)) = one?
            && number == field
        {
            found = value;
        }
    }
    Ok(found)
}

/// The bytes in the first such field, or none if it is not there.
pub(crate) fn bytes(message: &[u8], field: u64) -> Result<&[u8], Status> {
    for one in Fields::of(message) {
        if let (number, Value::Bytes(value)) = one?
            && number == field
        {
            return Ok(value);
        }
    }
    Ok(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use etcd_proto::mvccpb::KeyValue;
    use prost::Message;

    #[test]
    fn fields_are_found_in_what_was_encoded() {
        let value = Bytes::from_static(b"v");
        let pair = KeyValue { mod_revision: -1, lease: 300, value, ..KeyValue::default() };
        let message = pair.encode_to_vec();
        assert_eq!(number(&message, 3).expect("whole"), u64::MAX);
        assert_eq!(number(&message, 6).expect("whole"), 300);
        assert_eq!(number(&message, 4).expect("whole"), 0);
        assert_eq!(bytes(&message, 5).expect("whole"), b"v");
        assert_eq!(bytes(&message, 1).expect("whole"), b"");
        assert!(number(&message[..message.len() - 1], 6).is_err());
    }
}
