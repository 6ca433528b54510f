//! A verified file: its tensors, their constants, and names of operators.

use super::{
    error::ImportError,
    schema::{self, Model, Operator, SubGraph, Tensor},
};
use half::f16;

/// A file whose parts are in it.
pub(super) struct File<'a> {
    model: Model<'a>,
    graph: SubGraph<'a>,
}

/// A tensor that the file holds the values of.
#[derive(Clone, Copy)]
pub(super) struct Constant<'a> {
    pub(super) kind: i8,
    bytes: &'a [u8],
}

/// Element types by their number in the schema.
pub(super) const FLOAT32: i8 = 0;
pub(super) const FLOAT16: i8 = 1;
pub(super) const INT32: i8 = 2;
pub(super) const INT64: i8 = 4;
pub(super) const BOOL: i8 = 6;

/// The name of an element type.
pub(super) fn kind_name(kind: i8) -> String {
    const NAMES: [&str; 10] = [
        "float32",
        "float16",
        "int32",
        "uint8",
        "int64",
        "string",
        "bool",
        "int16",
        "complex64",
        "int8",
    ];
    let name = usize::try_from(kind).ok().and_then(|kind| NAMES.get(kind));
    name.map_or_else(|| format!("element type {kind}"), |name| (*name).into())
}

impl<'a> File<'a> {
    /// Verifies a whole file.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, ImportError> {
        let magic = bytes.get(4..8).unwrap_or_default();
        if magic != b"TFL3" {
            return Err(ImportError::Format {
                found: String::from_utf8_lossy(magic).into_owned(),
            });
        }
        let damaged = |reason: String| ImportError::Damaged { reason };
        let model = schema::model(bytes).map_err(|error| {
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            damaged(lines.join(" "))
        })?;
        let version = model.version().unwrap_or(0);
        if version != 3 {
            return Err(ImportError::at("file", "version of the schema", 3, version));
        }
        let graphs = model
            .subgraphs()
            .ok_or_else(|| damaged("no subgraphs".into()))?;
        if graphs.len() != 1 {
            return Err(ImportError::at("file", "subgraphs", 1, graphs.len()));
        }
        let graph = graphs.get(0);
        Ok(Self { model, graph })
    }

    /// Numbers of the tensors that are handed in, then of those handed out.
    pub(super) fn edges(&self) -> [Vec<i32>; 2] {
        [self.graph.inputs(), self.graph.outputs()]
            .map(|list| list.map_or_else(Vec::new, |list| list.iter().collect()))
    }

    /// How many tensors there are.
    pub(super) fn tensors(&self) -> usize {
        self.graph.tensors().map_or(0, |tensors| tensors.len())
    }

    /// The operators in the order in which they run.
    pub(super) fn operators(&self) -> impl Iterator<Item = Operator<'a>> {
        self.graph
            .operators()
            .into_iter()
            .flat_map(|list| list.iter())
    }

    /// A tensor by its number, which lies in the file.
    pub(super) fn tensor(&self, index: usize) -> Option<Tensor<'a>> {
        let tensors = self.graph.tensors()?;
        (index < tensors.len()).then(|| tensors.get(index))
    }

    /// The name of a tensor, for errors and nodes.
    pub(super) fn tensor_name(&self, index: usize) -> &'a str {
        self.tensor(index).and_then(Tensor::name).unwrap_or("")
    }

    /// An operator's number in the schema, and its name if it is a custom one.
    pub(super) fn operator_code(&self, operator: Operator<'a>) -> Option<(i32, &'a str)> {
        let codes = self.model.operator_codes()?;
        let index = operator.opcode_index().unwrap_or(0) as usize;
        if index >= codes.len() {
            return None;
        }
        let code = codes.get(index);
        // The older field is a byte; the newer one is absent or 0 in older files.
        let old = code.deprecated_builtin_code().unwrap_or(0).into();
        let number = code.builtin_code().unwrap_or(0).max(old);
        Some((number, code.custom_code().unwrap_or("")))
    }

    /// The values of a tensor; `None` where the file has none.
    pub(super) fn constant(&self, index: usize) -> Result<Option<Constant<'a>>, ImportError> {
        let Some(tensor) = self.tensor(index) else {
            return Ok(None);
        };
        let place = || format!("tensor {index} \"{}\"", tensor.name().unwrap_or(""));
        let buffer = tensor.buffer().unwrap_or(0) as usize;
        let buffers = self.model.buffers();
        let count = buffers.map_or(0, |buffers| buffers.len());
        if buffer == 0 {
            return Ok(None);
        }
        let Some(buffers) = buffers.filter(|_| buffer < count) else {
            let expected = format!("one of {count}");
            return Err(ImportError::at(place(), "buffer", expected, buffer));
        };
        let buffer = buffers.get(buffer);
        if buffer.offset().unwrap_or(0) > 1 || buffer.size().unwrap_or(0) > 1 {
            return Err(ImportError::at(
                place(),
                "values",
                "in the flatbuffer",
                "values behind it, as files above 2 GB have",
            ));
        }
        let bytes = buffer.data().map_or(&[][..], |data| data.bytes());
        if bytes.is_empty() {
            return Ok(None);
        }
        if tensor.sparsity().is_some() {
            return Err(ImportError::at(
                place(),
                "values",
                "all of them",
                "sparse ones",
            ));
        }
        let kind = tensor.kind().unwrap_or(FLOAT32);
        let size = match kind {
            FLOAT32 | INT32 => 4,
            FLOAT16 => 2,
            INT64 => 8,
            _ => 1,
        };
        let dims = dims_of(tensor);
        let len = dims.iter().try_fold(size, |len: usize, &dim| {
            len.checked_mul(usize::try_from(dim).ok()?)
        });
        // Of types that are refused where they are used, the size is not known here.
        let known = matches!(kind, FLOAT32 | FLOAT16 | INT32 | INT64 | BOOL);
        if known && len != Some(bytes.len()) {
            let expected = format!("as many as {dims:?} of {}", kind_name(kind));
            return Err(ImportError::at(place(), "bytes", expected, bytes.len()));
        }
        Ok(Some(Constant { kind, bytes }))
    }
}

/// The sizes of a tensor's axes as the file states them.
pub(super) fn dims_of(tensor: Tensor<'_>) -> Vec<i32> {
    tensor
        .shape()
        .map_or_else(Vec::new, |shape| shape.iter().collect())
}

impl Constant<'_> {
    /// The values as floats, if they are floats of 32 or 16 bits.
    pub(super) fn floats(&self) -> Option<Vec<f32>> {
        match self.kind {
            FLOAT32 => Some(self.each(f32::from_le_bytes).collect()),
            FLOAT16 => {
                let halves = self.each(u16::from_le_bytes);
                Some(halves.map(|bits| f16::from_bits(bits).to_f32()).collect())
            }
            _ => None,
        }
    }

    /// The values as integers, if they are integers of 32 or 64 bits.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match self.kind {
            INT32 => Some(self.each(i32::from_le_bytes).map(i64::from).collect()),
            INT64 => Some(self.each(i64::from_le_bytes).collect()),
            _ => None,
        }
    }

    /// The values as words of bits, if they are 32-bit integers.
    pub(super) fn words(&self) -> Option<Vec<u32>> {
        (self.kind == INT32).then(|| self.each(u32::from_le_bytes).collect())
    }

    /// Bytes in the file.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    fn each<const SIZE: usize, T>(
        &self,
        number: impl Fn([u8; SIZE]) -> T,
    ) -> impl Iterator<Item = T> {
        self.bytes
            .as_chunks::<SIZE>()
            .0
            .iter()
            .map(move |bytes| number(*bytes))
    }
}
