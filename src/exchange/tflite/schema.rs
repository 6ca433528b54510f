//! The part of TFLite's flatbuffers schema that the importer reads.
//!
//! Fields are named as in `tensorflow/lite/schema/schema.fbs` and numbered by their place in the
//! table. A whole file is verified before anything of it is read: offsets, alignment, lengths,
//! UTF-8, depth, and the size that shared parts would have if each reader had a copy.

use flatbuffers::{
    Follow, ForwardsUOffset, InvalidFlatbuffer, Table, VOffsetT, Vector, Verifiable, Verifier,
    VerifierOptions,
};

type Text<'a> = ForwardsUOffset<&'a str>;
type Numbers<'a, T> = ForwardsUOffset<Vector<'a, T>>;
type Tables<'a, T> = ForwardsUOffset<Vector<'a, ForwardsUOffset<T>>>;

/// The place of a field in a table's list of fields, in bytes.
const fn slot(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

/// Tables with an accessor for each field; absent fields are `None`.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty = $place:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name<'a>(Table<'a>);

        impl<'a> Follow<'a> for $name<'a> {
            type Inner = Self;

            unsafe fn follow(bytes: &'a [u8], place: usize) -> Self {
                // SAFETY: the caller promises that a table which was verified begins at `place`.
                Self(unsafe { Table::new(bytes, place) })
            }
        }

        impl<'a> Verifiable for $name<'a> {
            fn run_verifier(
                verifier: &mut Verifier,
                place: usize,
            ) -> Result<(), InvalidFlatbuffer> {
                verifier
                    .visit_table(place)?
                    $(.visit_field::<$kind>(stringify!($field), slot($place), false)?)*
                    .finish();
                Ok(())
            }
        }

        impl<'a> $name<'a> {
            $(pub(super) fn $field(self) -> Option<<$kind as Follow<'a>>::Inner> {
                // SAFETY: a table of this type comes from `model` only, which verified that this
                // field is absent or of this type.
                unsafe { self.0.get::<$kind>(slot($place), None) }
            })*
        }
    )*};
}

tables! {
    /// The root.
    Model {
        version: u32 = 0,
        operator_codes: Tables<'a, OperatorCode<'a>> = 1,
        subgraphs: Tables<'a, SubGraph<'a>> = 2,
        buffers: Tables<'a, Buffer<'a>> = 4,
    }
    /// Names an operator.
    OperatorCode {
        deprecated_builtin_code: i8 = 0,
        custom_code: Text<'a> = 1,
        builtin_code: i32 = 3,
    }
    /// A graph.
    SubGraph {
        tensors: Tables<'a, Tensor<'a>> = 0,
        inputs: Numbers<'a, i32> = 1,
        outputs: Numbers<'a, i32> = 2,
        operators: Tables<'a, Operator<'a>> = 3,
    }
    /// The bytes of a constant.
    Buffer {
        data: Numbers<'a, u8> = 0,
        offset: u64 = 1,
        size: u64 = 2,
    }
    /// A value.
    Tensor {
        shape: Numbers<'a, i32> = 0,
        kind: i8 = 1,
        buffer: u32 = 2,
        name: Text<'a> = 3,
        // An offset to a table, of which only the presence is asked.
        sparsity: u32 = 6,
        shape_signature: Numbers<'a, i32> = 7,
    }
    /// Options of CONV_2D.
    Conv2DOptions {
        padding: i8 = 0,
        stride_w: i32 = 1,
        stride_h: i32 = 2,
        fused_activation_function: i8 = 3,
        dilation_w_factor: i32 = 4,
        dilation_h_factor: i32 = 5,
    }
    /// Options of DEPTHWISE_CONV_2D.
    DepthwiseConv2DOptions {
        padding: i8 = 0,
        stride_w: i32 = 1,
        stride_h: i32 = 2,
        fused_activation_function: i8 = 4,
        dilation_w_factor: i32 = 5,
        dilation_h_factor: i32 = 6,
    }
    /// Options of pools.
    Pool2DOptions {
        padding: i8 = 0,
        stride_w: i32 = 1,
        stride_h: i32 = 2,
        filter_width: i32 = 3,
        filter_height: i32 = 4,
        fused_activation_function: i8 = 5,
    }
    /// Options of FULLY_CONNECTED.
    FullyConnectedOptions {
        fused_activation_function: i8 = 0,
        weights_format: i8 = 1,
        keep_num_dims: bool = 2,
    }
    /// Options of SOFTMAX.
    SoftmaxOptions {
        beta: f32 = 0,
    }
    /// Options of CONCATENATION.
    ConcatenationOptions {
        axis: i32 = 0,
        fused_activation_function: i8 = 1,
    }
    /// Options of ADD, SUB, MUL and DIV.
    ArithmeticOptions {
        fused_activation_function: i8 = 0,
    }
    /// Options of MEAN, SUM, REDUCE_MAX and REDUCE_MIN.
    ReducerOptions {
        keep_dims: bool = 0,
    }
    /// Options of STRIDED_SLICE.
    StridedSliceOptions {
        begin_mask: i32 = 0,
        end_mask: i32 = 1,
        ellipsis_mask: i32 = 2,
        new_axis_mask: i32 = 3,
        shrink_axis_mask: i32 = 4,
        offset: bool = 5,
    }
    /// Options of LEAKY_RELU.
    LeakyReluOptions {
        alpha: f32 = 0,
    }
    /// Options of BATCH_MATMUL.
    BatchMatMulOptions {
        adj_x: bool = 0,
        adj_y: bool = 1,
    }
}

/// An operator with its inputs and outputs.
#[derive(Clone, Copy)]
pub(super) struct Operator<'a>(Table<'a>);

impl<'a> Follow<'a> for Operator<'a> {
    type Inner = Self;

    unsafe fn follow(bytes: &'a [u8], place: usize) -> Self {
        // SAFETY: the caller promises that a table which was verified begins at `place`.
        Self(unsafe { Table::new(bytes, place) })
    }
}

/// The options of operators, each a member of one union; `None` where an operator has others.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $($tag:literal)|+;)*) => {
        impl Verifiable for Operator<'_> {
            fn run_verifier(
                verifier: &mut Verifier,
                place: usize,
            ) -> Result<(), InvalidFlatbuffer> {
                verifier
                    .visit_table(place)?
                    .visit_field::<u32>("opcode_index", slot(0), false)?
                    .visit_field::<Numbers<'_, i32>>("inputs", slot(1), false)?
                    .visit_field::<Numbers<'_, i32>>("outputs", slot(2), false)?
                    .visit_union::<u8, _>(
                        "builtin_options_type",
                        slot(3),
                        "builtin_options",
                        slot(4),
                        false,
                        |tag, verifier, place| match tag {
                            $($($tag)|+ => verifier
                                .verify_union_variant::<ForwardsUOffset<$kind<'_>>>(
                                    stringify!($kind),
                                    place,
                                ),)*
                            _ => Ok(()),
                        },
                    )?
                    .visit_field::<Numbers<'_, u8>>("custom_options", slot(5), false)?
                    .visit_field::<u64>("large_custom_options_offset", slot(9), false)?
                    .finish();
                Ok(())
            }
        }

        impl<'a> Operator<'a> {
            $($(#[$doc])* pub(super) fn $name(self) -> Option<$kind<'a>> {
                match self.options_type() {
                    // SAFETY: the options were verified as this type, since the tag says so.
                    $($tag)|+ => unsafe {
                        self.0.get::<ForwardsUOffset<$kind<'a>>>(slot(4), None)
                    },
                    _ => None,
                }
            })*
        }
    };
}

options! {
    /// Those of CONV_2D.
    conv_2d: Conv2DOptions = 1;
    /// Those of DEPTHWISE_CONV_2D.
    depthwise_conv_2d: DepthwiseConv2DOptions = 2;
    /// Those of pools.
    pool_2d: Pool2DOptions = 5;
    /// Those of FULLY_CONNECTED.
    fully_connected: FullyConnectedOptions = 8;
    /// Those of SOFTMAX.
    softmax: SoftmaxOptions = 9;
    /// Those of CONCATENATION.
    concatenation: ConcatenationOptions = 10;
    /// Those of ADD, MUL, SUB and DIV.
    arithmetic: ArithmeticOptions = 11 | 21 | 28 | 29;
    /// Those of reductions.
    reducer: ReducerOptions = 27;
    /// Those of STRIDED_SLICE.
    strided_slice: StridedSliceOptions = 32;
    /// Those of LEAKY_RELU.
    leaky_relu: LeakyReluOptions = 75;
    /// Those of BATCH_MATMUL.
    batch_matmul: BatchMatMulOptions = 101;
}

/// Reads a field of [`Operator`], which is verified by hand.
macro_rules! operator_fields {
    ($($field:ident: $kind:ty = $place:literal),* $(,)?) => {
        impl<'a> Operator<'a> {
            $(pub(super) fn $field(self) -> Option<<$kind as Follow<'a>>::Inner> {
                // SAFETY: an operator comes from `model` only, which verified that this field is
                // absent or of this type.
                unsafe { self.0.get::<$kind>(slot($place), None) }
            })*
        }
    };
}

operator_fields! {
    opcode_index: u32 = 0,
    inputs: Numbers<'a, i32> = 1,
    outputs: Numbers<'a, i32> = 2,
    options_tag: u8 = 3,
    custom_options: Numbers<'a, u8> = 5,
    large_custom_options_offset: u64 = 9,
}

impl Operator<'_> {
    /// Which options it has; 0 is none.
    fn options_type(self) -> u8 {
        self.options_tag().unwrap_or(0)
    }
}

/// The root of a file, once all of it is verified.
pub(super) fn model(bytes: &[u8]) -> Result<Model<'_>, InvalidFlatbuffer> {
    // Tables share lists of fields, and buffers may be shared: eight times the file is far above
    // what converters write and bounds the time that a crafted file takes.
    let options = VerifierOptions {
        max_depth: 16,
        max_tables: bytes.len() / 4,
        max_apparent_size: bytes.len().saturating_mul(8).saturating_add(1 << 12),
        ignore_missing_null_terminator: true,
    };
    flatbuffers::root_with_opts::<Model<'_>>(&options, bytes)
}
