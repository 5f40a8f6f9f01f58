//! JSON becomes protobuf, as the message's descriptor says; complaints are in the words of Go's
//! protobuf library.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as FieldKind, MessageDescriptor};

use crate::numeral;
use crate::tokens::{Kind, Token, Tokens};

/// Go's library takes bits behind the last whole byte, whatever they are.
const LAX: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurposeConfig =
    LAX.with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const BARE: GeneralPurposeConfig = LAX.with_decode_padding_mode(DecodePaddingMode::RequireNone);
/// What encodes bytes, by whether it is for URLs and whether it is padded.
const STANDARD_PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDED);
const STANDARD_BARE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BARE);
const URL_PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDED);
const URL_BARE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BARE);

/// Writes what a JSON value says as a protobuf message. The value's syntax must be good, and the
/// stack must have room for its depth.
pub(crate) fn transcribe(message: &MessageDescriptor, json: &[u8]) -> Result<Vec<u8>, String> {
    let mut wire = Vec::new();
    write_message(&mut Tokens::new(json), message, &mut wire)?;
    Ok(wire)
}

/// The members of an object that were there, to refuse them a second time.
#[derive(Default)]
struct Seen {
    fields: Vec<u32>,
    oneofs: Vec<String>,
}

fn write_message(
    tokens: &mut Tokens<'_>,
    message: &MessageDescriptor,
    wire: &mut Vec<u8>,
) -> Result<(), String> {
    let open = tokens.read()?;
    if open.kind != Kind::ObjectOpen {
        return Err(tokens.unexpected(&open));
    }
    let mut seen = Seen::default();
    loop {
        let name = tokens.read()?;
        if name.kind != Kind::Name {
            // The syntax is good: it is the end.
            return Ok(());
        }
        let field = message.get_field_by_json_name(&name.text);
        match field.or_else(|| message.get_field_by_name(&name.text)) {
            None => tokens.skip_value()?,
            Some(field) => write_member(tokens, &name, &field, &mut seen, wire)?,
        }
    }
}

fn write_member(
    tokens: &mut Tokens<'_>,
    name: &Token<'_>,
    field: &FieldDescriptor,
    seen: &mut Seen,
    wire: &mut Vec<u8>,
) -> Result<(), String> {
    if seen.fields.contains(&field.number()) {
        return Err(tokens.wrong(name, &format!("duplicate field {}", name.raw)));
    }
    seen.fields.push(field.number());
    if tokens.peek()? == Kind::Null {
        tokens.read()?;
        return Ok(());
    }
    if field.is_list() {
        return write_list(tokens, field, wire);
    }
    if let Some(oneof) = field.containing_oneof() {
        let oneof = oneof.full_name().to_owned();
        if seen.oneofs.contains(&oneof) {
            let reason = format!("error parsing {}, oneof {oneof} is already set", name.raw);
            return Err(tokens.wrong(name, &reason));
        }
        seen.oneofs.push(oneof);
    }
    write_value(tokens, field, wire)
}

fn write_list(
    tokens: &mut Tokens<'_>,
    field: &FieldDescriptor,
    wire: &mut Vec<u8>,
) -> Result<(), String> {
    let open = tokens.read()?;
    if open.kind != Kind::ArrayOpen {
        return Err(tokens.unexpected(&open));
    }
    while tokens.peek()? != Kind::ArrayClose {
        write_value(tokens, field, wire)?;
    }
    tokens.read().map(drop)
}

/// Writes one value of a field.
fn write_value(
    tokens: &mut Tokens<'_>,
    field: &FieldDescriptor,
    wire: &mut Vec<u8>,
) -> Result<(), String> {
    if let FieldKind::Message(message) = field.kind() {
        let mut inner = Vec::new();
        write_message(tokens, &message, &mut inner)?;
        write_bytes(field, &inner, wire);
        return Ok(());
    }
    let token = tokens.read()?;
    if write_scalar(field, &token, wire).is_none() {
        let (kind, name) = (kind_name(&field.kind()), field.json_name());
        let reason = format!("invalid value for {kind} field {name}: {}", token.raw);
        return Err(tokens.wrong(&token, &reason));
    }
    Ok(())
}

/// Nothing when the token does not suit the field.
fn write_scalar(field: &FieldDescriptor, token: &Token<'_>, wire: &mut Vec<u8>) -> Option<()> {
    let number = match field.kind() {
        FieldKind::Bool => match token.kind {
            Kind::True => 1,
            Kind::False => 0,
            _ => return None,
        },
        FieldKind::Int32 => signed(i64::from(whole(token)?.parse::<i32>().ok()?)),
        FieldKind::Int64 => signed(whole(token)?.parse().ok()?),
        FieldKind::Uint32 => u64::from(whole(token)?.parse::<u32>().ok()?),
        FieldKind::Uint64 => whole(token)?.parse().ok()?,
        FieldKind::Enum(names) => match enum_number(&names, token)? {
            Some(number) => signed(i64::from(number)),
            // An unknown name is as an unknown field.
            None => return Some(()),
        },
        FieldKind::String if token.kind == Kind::Text => {
            write_bytes(field, token.text.as_bytes(), wire);
            return Some(());
        }
        FieldKind::Bytes if token.kind == Kind::Text => {
            write_bytes(field, &decode_bytes(&token.text)?, wire);
            return Some(());
        }
        _ => return None,
    };
    encode_key(field.number(), WireType::Varint, wire);
    encode_varint(number, wire);
    Some(())
}

fn write_bytes(field: &FieldDescriptor, bytes: &[u8], wire: &mut Vec<u8>) {
    encode_key(field.number(), WireType::LengthDelimited, wire);
    encode_varint(bytes.len() as u64, wire);
    wire.extend_from_slice(bytes);
}

/// The digits of a whole number, which may stand in quotes.
fn whole(token: &Token<'_>) -> Option<String> {
    match token.kind {
        Kind::Number => numeral::whole(token.raw),
        Kind::Text if token.text.trim().len() == token.text.len() => {
            numeral::whole(numeral::leading(&token.text)?)
        }
        _ => None,
    }
}

/// A signed number as the wire has it.
fn signed(number: i64) -> u64 {
    number.cast_unsigned()
}

/// The number of an enum's value; none for a name that nobody knows.
fn enum_number(names: &EnumDescriptor, token: &Token<'_>) -> Option<Option<i32>> {
    match token.kind {
        Kind::Text => Some(names.get_value_by_name(&token.text).map(|value| value.number())),
        Kind::Number => Some(Some(numeral::whole(token.raw)?.parse().ok()?)),
        _ => None,
    }
}

/// base64 of either alphabet, padded or not. Go's library ignores line breaks in it.
fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    let engine = match (text.contains(['-', '_']), text.len().is_multiple_of(4)) {
        (false, true) => &STANDARD_PADDED,
        (false, false) => &STANDARD_BARE,
        (true, true) => &URL_PADDED,
        (true, false) => &URL_BARE,
    };
    if text.contains(['\r', '\n']) {
        return engine.decode(text.replace(['\r', '\n'], "")).ok();
    }
    engine.decode(text).ok()
}

fn kind_name(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Bool => "bool",
        FieldKind::Int32 => "int32",
        FieldKind::Int64 => "int64",
        FieldKind::Uint32 => "uint32",
        FieldKind::Uint64 => "uint64",
        FieldKind::Enum(_) => "enum",
        FieldKind::String => "string",
        FieldKind::Bytes => "bytes",
        FieldKind::Message(_) => "message",
        _ => "number",
    }
}
