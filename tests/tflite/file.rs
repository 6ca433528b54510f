//! Writes TFLite files, as small as a test needs them.

use flatbuffers::{FlatBufferBuilder, WIPOffset};

/// A field of an operator's options.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    Byte(i8),
    Int(i32),
    Float(f32),
    Bool(bool),
}

/// Which options an operator has, and their fields by place.
pub(crate) type Options = Option<(u8, Vec<(u16, Field)>)>;

#[derive(Clone)]
struct Tensor {
    name: String,
    kind: i8,
    shape: Vec<i32>,
    buffer: u32,
}

#[derive(Clone)]
struct Operator {
    code: usize,
    inputs: Vec<i32>,
    outputs: Vec<i32>,
    options: Options,
    custom_options: Vec<u8>,
}

/// A file as it grows. Tensors are named by their numbers.
#[derive(Clone)]
pub(crate) struct File {
    codes: Vec<(i32, String)>,
    tensors: Vec<Tensor>,
    buffers: Vec<Vec<u8>>,
    operators: Vec<Operator>,
    pub inputs: Vec<i32>,
    pub outputs: Vec<i32>,
}

pub(crate) const FLOAT32: i8 = 0;
pub(crate) const INT32: i8 = 2;
pub(crate) const INT8: i8 = 9;

const CUSTOM: i32 = 32;

type Fields<'b> = FlatBufferBuilder<'b>;

impl File {
    /// A file with one input.
    pub(crate) fn new(shape: &[i32]) -> Self {
        let mut file = Self {
            codes: Vec::new(),
            tensors: Vec::new(),
            // The first buffer is empty by convention.
            buffers: vec![Vec::new()],
            operators: Vec::new(),
            inputs: vec![0],
            outputs: Vec::new(),
        };
        file.tensor(FLOAT32, shape);
        file
    }

    /// Adds a tensor without values.
    pub(crate) fn tensor(&mut self, kind: i8, shape: &[i32]) -> i32 {
        let index = self.tensors.len();
        self.tensors.push(Tensor {
            name: format!("t{index}"),
            kind,
            shape: shape.to_vec(),
            buffer: 0,
        });
        index as i32
    }

    /// Adds a constant by its bytes.
    fn constant(&mut self, kind: i8, shape: &[i32], bytes: Vec<u8>) -> i32 {
        let index = self.tensor(kind, shape);
        self.tensors[index as usize].buffer = self.buffers.len() as u32;
        self.buffers.push(bytes);
        index
    }

    /// Adds a constant of floats.
    pub(crate) fn floats(&mut self, shape: &[i32], values: &[f32]) -> i32 {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(FLOAT32, shape, bytes.collect())
    }

    /// Adds a constant of integers.
    pub(crate) fn integers(&mut self, shape: &[i32], values: &[i32]) -> i32 {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(INT32, shape, bytes.collect())
    }

    /// Adds a built-in operator with one output; returns the output.
    pub(crate) fn operator(
        &mut self,
        code: i32,
        inputs: &[i32],
        options: Options,
        shape: &[i32],
    ) -> i32 {
        let output = self.tensor(FLOAT32, shape);
        self.node((code, ""), inputs, &[output], options, Vec::new());
        output
    }

    /// Adds a custom operator with one output; returns the output.
    pub(crate) fn custom(
        &mut self,
        name: &str,
        inputs: &[i32],
        options: &[(&str, i32)],
        kind: i8,
        shape: &[i32],
    ) -> i32 {
        let output = self.tensor(kind, shape);
        self.node((CUSTOM, name), inputs, &[output], None, flex(options));
        output
    }

    /// Adds an operator.
    pub(crate) fn node(
        &mut self,
        code: (i32, &str),
        inputs: &[i32],
        outputs: &[i32],
        options: Options,
        custom_options: Vec<u8>,
    ) {
        self.codes.push((code.0, code.1.to_owned()));
        self.operators.push(Operator {
            code: self.codes.len() - 1,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            options,
            custom_options,
        });
    }

    /// The bytes of the file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut fields = FlatBufferBuilder::new();
        let b = &mut fields;
        let codes: Vec<_> = self
            .codes
            .iter()
            .map(|(code, name)| {
                let name = (!name.is_empty()).then(|| b.create_string(name));
                let start = b.start_table();
                b.push_slot_always(slot(0), (*code).min(127) as i8);
                if let Some(name) = name {
                    b.push_slot_always(slot(1), name);
                }
                b.push_slot_always(slot(3), *code);
                b.end_table(start)
            })
            .collect();
        let tensors: Vec<_> = self
            .tensors
            .iter()
            .map(|tensor| {
                let (name, shape) = (
                    b.create_string(&tensor.name),
                    b.create_vector(&tensor.shape),
                );
                let start = b.start_table();
                b.push_slot_always(slot(0), shape);
                b.push_slot_always(slot(1), tensor.kind);
                b.push_slot_always(slot(2), tensor.buffer);
                b.push_slot_always(slot(3), name);
                b.end_table(start)
            })
            .collect();
        let operators: Vec<_> = self.operators.iter().map(|one| operator(b, one)).collect();
        let buffers: Vec<_> = self
            .buffers
            .iter()
            .map(|bytes| {
                let data = b.create_vector(bytes);
                let start = b.start_table();
                b.push_slot_always(slot(0), data);
                b.end_table(start)
            })
            .collect();
        let lists = [
            b.create_vector(&tensors).as_union_value(),
            b.create_vector(&self.inputs).as_union_value(),
            b.create_vector(&self.outputs).as_union_value(),
            b.create_vector(&operators).as_union_value(),
        ];
        let start = b.start_table();
        for (place, list) in lists.into_iter().enumerate() {
            b.push_slot_always(slot(place as u16), list);
        }
        let graph = b.end_table(start);
        let graphs = b.create_vector(&[graph]);
        let (codes, buffers) = (b.create_vector(&codes), b.create_vector(&buffers));
        let start = b.start_table();
        b.push_slot_always(slot(0), 3_u32);
        b.push_slot_always(slot(1), codes);
        b.push_slot_always(slot(2), graphs);
        b.push_slot_always(slot(4), buffers);
        let root = b.end_table(start);
        b.finish(root, Some("TFL3"));
        fields.finished_data().to_vec()
    }
}

fn slot(place: u16) -> u16 {
    4 + 2 * place
}

fn operator(
    b: &mut Fields<'_>,
    operator: &Operator,
) -> WIPOffset<flatbuffers::TableFinishedWIPOffset> {
    let options = operator.options.as_ref().map(|(tag, fields)| {
        let start = b.start_table();
        for (place, field) in fields {
            let place = slot(*place);
            match *field {
                Field::Byte(value) => b.push_slot_always(place, value),
                Field::Int(value) => b.push_slot_always(place, value),
                Field::Float(value) => b.push_slot_always(place, value),
                Field::Bool(value) => b.push_slot_always(place, value),
            }
        }
        (*tag, b.end_table(start))
    });
    let (inputs, outputs) = (
        b.create_vector(&operator.inputs),
        b.create_vector(&operator.outputs),
    );
    let custom = b.create_vector(&operator.custom_options);
    let start = b.start_table();
    b.push_slot_always(slot(0), operator.code as u32);
    b.push_slot_always(slot(1), inputs);
    b.push_slot_always(slot(2), outputs);
    if let Some((tag, options)) = options {
        b.push_slot_always(slot(3), tag);
        b.push_slot_always(slot(4), options);
    }
    b.push_slot_always(slot(5), custom);
    b.end_table(start)
}

/// A flexbuffer with a map from names to integers of 32 bits.
fn flex(options: &[(&str, i32)]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.sort_unstable();
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, value: usize| {
        bytes.extend((value as u32).to_le_bytes());
    };
    let mut starts = Vec::new();
    for (name, _) in &options {
        starts.push(bytes.len());
        bytes.extend(name.as_bytes());
        bytes.push(0);
    }
    number(&mut bytes, options.len());
    let keys = bytes.len();
    for start in starts {
        let offset = bytes.len() - start;
        number(&mut bytes, offset);
    }
    let offset = bytes.len() - keys;
    number(&mut bytes, offset);
    number(&mut bytes, 4);
    number(&mut bytes, options.len());
    let values = bytes.len();
    for (_, value) in &options {
        bytes.extend(value.to_le_bytes());
    }
    // Types: integers, then a map, each of 32 bits.
    bytes.extend(options.iter().map(|_| 1 << 2 | 2));
    let offset = bytes.len() - values;
    number(&mut bytes, offset);
    bytes.extend([9 << 2 | 2, 4]);
    bytes
}
