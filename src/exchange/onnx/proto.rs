//! The messages of an ONNX file, as far as import and export need them.
//!
//! Names and numbers are those of `onnx.proto` (the ONNX project, Apache-2.0); `prost` reads and
//! writes them, and skips the fields left out here. What it allocates for repeated fields is
//! bounded by counting them first: a field of two bytes can become a message of some hundred.

use prost::{
    DecodeError, Message,
    encoding::{WireType, decode_key, decode_varint},
};
use thiserror::Error;

/// The most messages and texts in a file.
const ITEMS_LIMIT: usize = 1 << 17;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    #[prost(int64, tag = "1")]
    pub(super) ir_version: i64,
    #[prost(string, tag = "2")]
    pub(super) producer_name: String,
    #[prost(string, tag = "3")]
    pub(super) producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub(super) opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    pub(super) metadata_props: Vec<StringStringEntryProto>,
    #[prost(message, repeated, tag = "25")]
    pub(super) functions: Vec<FunctionProto>,
}

/// A function of the file's own, whose nodes stand for a node that calls it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FunctionProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "4")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub(super) output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(super) node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "9")]
    pub(super) opset_import: Vec<OperatorSetIdProto>,
    #[prost(string, tag = "10")]
    pub(super) domain: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) attribute_proto: Vec<AttributeProto>,
    #[prost(string, tag = "13")]
    pub(super) overload: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(int64, tag = "2")]
    pub(super) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub(super) input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub(super) output: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "13")]
    pub(super) value_info: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(string, tag = "4")]
    pub(super) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub(super) domain: String,
    #[prost(string, tag = "8")]
    pub(super) overload: String,
}

/// An attribute; of its values the one that `kind` says counts.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(float, optional, tag = "2")]
    pub(super) f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub(super) i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) s: Option<Vec<u8>>,
    #[prost(message, optional, boxed, tag = "5")]
    pub(super) t: Option<Box<TensorProto>>,
    #[prost(float, repeated, tag = "7")]
    pub(super) floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub(super) ints: Vec<i64>,
    /// In a function: the name of the attribute of the call that it stands for.
    #[prost(string, tag = "21")]
    pub(super) ref_attr_name: String,
    /// 1 float, 2 int, 3 string, 4 tensor, 6 floats, 7 ints.
    #[prost(int32, tag = "20")]
    pub(super) r#type: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub(super) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(super) int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(super) int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(super) name: String,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(super) raw_data: Option<Vec<u8>>,
    #[prost(double, repeated, tag = "10")]
    pub(super) double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    pub(super) uint64_data: Vec<u64>,
    #[prost(message, repeated, tag = "13")]
    pub(super) external_data: Vec<StringStringEntryProto>,
    #[prost(int32, tag = "14")]
    pub(super) data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub(super) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) dim_param: Option<String>,
}

/// Numbers of [`TensorProto::data_type`].
pub(super) mod data_type {
    pub(in crate::exchange::onnx) const FLOAT: i32 = 1;
    pub(in crate::exchange::onnx) const UINT8: i32 = 2;
    pub(in crate::exchange::onnx) const INT8: i32 = 3;
    pub(in crate::exchange::onnx) const UINT16: i32 = 4;
    pub(in crate::exchange::onnx) const INT16: i32 = 5;
    pub(in crate::exchange::onnx) const INT32: i32 = 6;
    pub(in crate::exchange::onnx) const INT64: i32 = 7;
    pub(in crate::exchange::onnx) const BOOL: i32 = 9;
    pub(in crate::exchange::onnx) const FLOAT16: i32 = 10;
    pub(in crate::exchange::onnx) const DOUBLE: i32 = 11;
    pub(in crate::exchange::onnx) const UINT32: i32 = 12;
    pub(in crate::exchange::onnx) const UINT64: i32 = 13;
    pub(in crate::exchange::onnx) const BFLOAT16: i32 = 16;
}

/// Why bytes are not the messages of an ONNX file.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum ProtoError {
    /// They are not protocol buffers of these types.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There is more in it than any net needs.
    #[error("expected at most {ITEMS_LIMIT} messages and texts, found more")]
    Items,
}

/// The model in a file's bytes.
///
/// Memory is linear in their number: besides a copy of the data (integers may be eight times what
/// they are in the file) at most [`ITEMS_LIMIT`] messages.
pub(super) fn decode(bytes: &[u8]) -> Result<ModelProto, ProtoError> {
    let mut left = ITEMS_LIMIT;
    count(bytes, MODEL, &mut left)?;
    Ok(ModelProto::decode(bytes)?)
}

/// A field of a message whose values take an allocation of their own: its number and what is in it.
struct Items(u32, &'static [Items]);

const TENSOR: &[Items] = &[Items(13, PAIR)];
const PAIR: &[Items] = &[];
const ATTRIBUTE: &[Items] = &[Items(5, TENSOR)];
const NODE: &[Items] = &[Items(1, &[]), Items(2, &[]), Items(5, ATTRIBUTE)];
const VALUE: &[Items] = &[Items(2, &[Items(1, &[Items(2, &[Items(1, &[])])])])];
const GRAPH: &[Items] = &[
    Items(1, NODE),
    Items(5, TENSOR),
    Items(11, VALUE),
    Items(12, VALUE),
    Items(13, VALUE),
];
const FUNCTION: &[Items] = &[
    Items(4, &[]),
    Items(5, &[]),
    Items(7, NODE),
    Items(9, PAIR),
    Items(11, ATTRIBUTE),
];
const MODEL: &[Items] = &[
    Items(7, GRAPH),
    Items(8, &[]),
    Items(14, PAIR),
    Items(25, FUNCTION),
];

/// Counts the items of a message down from `left`.
fn count(mut message: &[u8], items: &[Items], left: &mut usize) -> Result<(), ProtoError> {
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message)?;
        let length = match wire_type {
            WireType::Varint => {
                decode_varint(&mut message)?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(&mut message)?,
            // Groups are no part of the schema; what they hold could not be counted.
            WireType::StartGroup | WireType::EndGroup => return Err(ProtoError::Items),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((field, rest)) = message.split_at_checked(length) else {
            // The decoder has the words for this.
            return Ok(());
        };
        message = rest;
        if let Some(Items(_, inner)) = items.iter().find(|items| items.0 == number)
            && wire_type == WireType::LengthDelimited
        {
            *left = left.checked_sub(1).ok_or(ProtoError::Items)?;
            // A text, or a message without items, needs no look inside.
            if !inner.is_empty() {
                count(field, inner, left)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_of_empty_messages_are_refused() {
        // A graph of empty nodes, two bytes each.
        let nodes = [0x0a, 0x00].repeat(ITEMS_LIMIT);
        let mut bytes = vec![0x3a];
        prost::encoding::encode_varint(nodes.len() as u64, &mut bytes);
        bytes.extend(&nodes);
        assert_eq!(decode(&bytes), Err(ProtoError::Items));
        let few = [0x3a, 0x04, 0x0a, 0x00, 0x0a, 0x00];
        assert_eq!(decode(&few).unwrap().graph.unwrap().node.len(), 2);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        for bytes in [&[0x3a, 0x05, 0x00][..], &[0x3a], &[0xff; 20], &[0x3b, 0x3c]] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
