//! A command on its way to the log: encoded before it is known in whose name it is.

use bytes::{Bytes, BytesMut};
use etcd_apply::Kind;
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::{InternalRaftRequest, PutRequest, RequestHeader};
use prost::Message as _;
use prost::encoding::{
    WireType, decode_varint, encode_key, encode_varint, encoded_len_varint, key_len, message,
};

/// The field of `InternalRaftRequest` that holds a put.
const PUT: u32 = 4;
/// The field that says in whose name the command is. It comes last, so it can be added last.
const HEADER: u32 = 100;
/// The most bytes before a message that is a field: its number and its length.
const FIELD_HEAD_MAX: usize = 15;
/// Room for most headers.
const HEADER_ROOM: usize = 64;

/// The fields of an `InternalRaftRequest`.
#[derive(Debug)]
pub(crate) struct EncodedCommand {
    fields: BytesMut,
    /// The bytes of the header's message, if there is one.
    header_len: Option<usize>,
}

impl EncodedCommand {
    /// A command without a header.
    pub(crate) fn of(command: &InternalRaftRequest) -> EncodedCommand {
        debug_assert!(command.header.is_none(), "it is added by `sign`");
        let fields = etcd_nesting::encode(command);
        let fields = fields.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        EncodedCommand { fields, header_len: None }
    }

    /// A put, which is too frequent to fill the large struct for all kinds of commands.
    pub(crate) fn put(request: &PutRequest) -> EncodedCommand {
        let len = request.encoded_len();
        let mut fields = BytesMut::with_capacity(FIELD_HEAD_MAX + len + HEADER_ROOM);
        encode_key(PUT, WireType::LengthDelimited, &mut fields);
        encode_varint(len as u64, &mut fields);
        request.encode_raw(&mut fields);
        EncodedCommand { fields, header_len: None }
    }

    /// What it asks for: its first field is the request.
    pub(crate) fn kind(&self) -> Kind {
        let key = decode_varint(&mut &self.fields[..]).unwrap_or_default();
        // The lower bits say how the field is written.
        Kind::of_field(key >> 3)
    }

    /// Says in whose name it is.
    pub(crate) fn sign(&mut self, header: &RequestHeader) {
        message::encode(HEADER, header, &mut self.fields);
        self.header_len = Some(header.encoded_len());
    }

    /// How long etcd's command would be, which must stay below the limit that is etcd's: its header
    /// has the request's id, whose upper 16 bits are the lower ones of the member's.
    pub(crate) fn len_in_etcd(&self, member: MemberId) -> usize {
        let in_command = |bytes: usize| key_len(HEADER) + encoded_len_varint(bytes as u64) + bytes;
        let id = RequestHeader { id: (member.0 << 48) | (1 << 47), ..RequestHeader::default() };
        let more = match self.header_len {
            None => in_command(id.encoded_len()),
            Some(ours) => in_command(ours + id.encoded_len()) - in_command(ours),
        };
        self.fields.len() + more
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.fields.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::etcdserverpb::AuthRoleListRequest;

    fn header(letters: usize) -> RequestHeader {
        RequestHeader { username: "u".repeat(letters), auth_revision: 300, id: 0 }
    }

    #[test]
    fn its_kind_is_that_of_its_request() {
        assert_eq!(EncodedCommand::put(&PutRequest::default()).kind(), Kind::Put);
        let auth_role_list = Some(AuthRoleListRequest {});
        let command = InternalRaftRequest { auth_role_list, ..Default::default() };
        let mut command = EncodedCommand::of(&command);
        command.sign(&header(3));
        assert_eq!(command.kind(), Kind::AuthRoleList);
        let nothing = EncodedCommand::of(&InternalRaftRequest::default());
        assert_eq!(nothing.kind(), Kind::Unknown);
    }

    #[test]
    fn it_is_encoded_as_the_message_that_it_stands_for() {
        let request = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
        for header in [None, Some(header(0)), Some(header(200))] {
            let put = Some(request.clone());
            let whole = InternalRaftRequest { header, put, ..InternalRaftRequest::default() };
            let unsigned = InternalRaftRequest { header: None, ..whole.clone() };
            for mut command in [EncodedCommand::put(&request), EncodedCommand::of(&unsigned)] {
                if let Some(header) = &whole.header {
                    command.sign(header);
                }
                assert_eq!(command.into_bytes(), whole.encode_to_vec());
            }
        }
    }

    #[test]
    fn the_header_of_etcds_command_is_counted_in() {
        for member in [0, 1, 0x7f, 0xff, 0x100, 0x7fff, 0x8000, u64::MAX] {
            // Whatever the time in the middle of the id.
            let id = (member << 48) | 0x9234_5678_9a01;
            for letters in [None, Some(0), Some(3), Some(110), Some(125), Some(16_370)] {
                let header = letters.map(header);
                let mut ours = EncodedCommand::of(&InternalRaftRequest::default());
                if let Some(header) = &header {
                    ours.sign(header);
                }
                let with_id = RequestHeader { id, ..header.unwrap_or_default() };
                let header = Some(with_id);
                let etcds = InternalRaftRequest { header, ..InternalRaftRequest::default() };
                let expected = etcds.encoded_len();
                assert_eq!(ours.len_in_etcd(MemberId(member)), expected, "{member:x} {letters:?}");
            }
        }
    }
}
