//! The wire format of protocol buffers, as far as a profile needs it: numbers, texts, packed lists, messages in messages.
//!
//! Invariant: what is 0 or empty is left out, as the format's default says it.

/// A message, field by field.
#[derive(Default)]
pub struct Message(Vec<u8>);

/// A number follows.
const VARINT: u64 = 0;
/// A length and so many bytes follow.
const BYTES: u64 = 2;

impl Message {
    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number; those of a signed type are never negative here.
    pub fn number(&mut self, field: u64, number: u64) {
        if number != 0 {
            self.varint(field << 3 | VARINT);
            self.varint(number);
        }
    }

    /// Bytes of any kind; an empty one of a list counts, so this writes it.
    fn of_length(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    /// A text of a list.
    pub fn text(&mut self, field: u64, text: &str) {
        self.of_length(field, text.as_bytes());
    }

    /// A message of a list.
    pub fn message(&mut self, field: u64, message: &Message) {
        self.of_length(field, &message.0);
    }

    /// A list of numbers.
    pub fn packed(&mut self, field: u64, numbers: impl IntoIterator<Item = u64>) {
        let mut list = Message::default();
        numbers.into_iter().for_each(|number| list.varint(number));
        if !list.0.is_empty() {
            self.of_length(field, &list.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_the_format_has_them() {
        let mut message = Message::default();
        message.number(1, 150);
        message.number(2, 0);
        message.text(2, "testing");
        message.packed(6, [3, 270, 86_942]);
        let mut inner = Message::default();
        inner.number(1, 150);
        message.message(3, &inner);
        // The examples of the format's own description.
        let expected = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 7],
            b"testing",
            &[0x32, 6, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05],
            &[0x1a, 3, 0x08, 0x96, 0x01],
        ]
        .concat();
        assert_eq!(message.bytes(), expected);
    }
}
