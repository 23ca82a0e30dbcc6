"""The signatures of the allowed operations. Written by verifier/signatures.py: do not edit.

A line is an operation: its inputs, its outputs, and its attributes. An input or output has a data type, or the name of
the attribute with its type. `N*T` is N of them, `[Ts]` is one for each type of a list. An attribute has a kind, and its
allowed values or its minimum. STATEFUL lists the operations that have side effects, or may return another result when
they run again.
"""

# ruff: noqa: E501
TABLE = """
Abs(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64}
Acos(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Acosh(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Add(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 int16 int32 int64 complex64 complex128 string}
AddN(inputs:N*T) -> (sum:T); N:int>=1; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64 variant}
AddV2(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 uint16 uint32 uint64 int8 int16 int32 int64 complex64 complex128}
AdjustContrastv2(images:T, contrast_factor:float32) -> (output:T); T:type{float16 float32}
AdjustHue(images:T, delta:float32) -> (output:T); T:type{float16 float32}
AdjustSaturation(images:T, scale:float32) -> (output:T); T:type{float16 float32}
All(input:bool, reduction_indices:Tidx) -> (output:bool); keep_dims:bool; Tidx:type{int32 int64}
Angle(input:T) -> (output:Tout); T:type{complex64 complex128}; Tout:type{float32 float64}
AnonymousHashTable() -> (table_handle:resource); key_dtype:type; value_dtype:type
AnonymousIterator() -> (handle:resource); output_types:list(type)>=1; output_shapes:list(shape)>=1
AnonymousIteratorV2() -> (handle:resource, deleter:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1
AnonymousIteratorV3() -> (handle:resource); output_types:list(type)>=1; output_shapes:list(shape)>=1
AnonymousMutableDenseHashTable(empty_key:key_dtype, deleted_key:key_dtype) -> (table_handle:resource); key_dtype:type; value_dtype:type; value_shape:shape; initial_num_buckets:int; max_load_factor:float
AnonymousMutableHashTable() -> (table_handle:resource); key_dtype:type; value_dtype:type
AnonymousMutableHashTableOfTensors() -> (table_handle:resource); key_dtype:type; value_dtype:type; value_shape:shape
AnonymousRandomSeedGenerator(seed:int64, seed2:int64) -> (handle:resource, deleter:variant)
AnonymousSeedGenerator(seed:int64, seed2:int64, reshuffle:bool) -> (handle:resource, deleter:variant)
Any(input:bool, reduction_indices:Tidx) -> (output:bool); keep_dims:bool; Tidx:type{int32 int64}
ApproximateEqual(x:T, y:T) -> (z:bool); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; tolerance:float
ArgMax(input:T, dimension:Tidx) -> (output:output_type); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64 qint8 quint8 qint32 qint16 quint16 bool}; Tidx:type{int16 int32 int64}; output_type:type{int16 uint16 int32 int64}
ArgMin(input:T, dimension:Tidx) -> (output:output_type); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64 qint8 quint8 qint32 qint16 quint16 bool}; Tidx:type{int32 int64}; output_type:type{int32 int64}
AsString(input:T) -> (output:string); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64 complex64 complex128 bool variant string}; precision:int; scientific:bool; shortest:bool; width:int; fill:string
Asin(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Asinh(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Assert(condition:bool, data:[T]) -> (); T:list(type)>=1; summarize:int
AssertCardinalityDataset(input_dataset:variant, cardinality:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1
AssignAddVariableOp(resource:resource, value:dtype) -> (); dtype:type
AssignSubVariableOp(resource:resource, value:dtype) -> (); dtype:type
AssignVariableOp(resource:resource, value:dtype) -> (); dtype:type; validate_shape:bool
Atan(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Atan2(y:T, x:T) -> (z:T); T:type{bfloat16 float16 float32 float64}
Atanh(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
AvgPool(value:T) -> (output:T); ksize:list(int)>=4; strides:list(int)>=4; padding:string{'SAME' 'VALID'}; data_format:string{'NHWC' 'NCHW'}; T:type{float16 bfloat16 float32 float64}
AvgPool3D(input:T) -> (output:T); ksize:list(int)>=5; strides:list(int)>=5; padding:string{'SAME' 'VALID'}; data_format:string{'NDHWC' 'NCDHW'}; T:type{float16 bfloat16 float32 float64}
AvgPoolGrad(orig_input_shape:int32, grad:T) -> (output:T); ksize:list(int)>=4; strides:list(int)>=4; padding:string{'SAME' 'VALID'}; data_format:string{'NHWC' 'NCHW'}; T:type{float16 bfloat16 float32 float64}
BandedTriangularSolve(matrix:T, rhs:T) -> (output:T); lower:bool; adjoint:bool; T:type{float64 float32 float16 complex64 complex128}
BatchDataset(input_dataset:variant, batch_size:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
BatchDatasetV2(input_dataset:variant, batch_size:int64, drop_remainder:bool) -> (handle:variant); parallel_copy:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
BatchMatMul(x:T, y:T) -> (output:T); T:type{bfloat16 float16 float32 float64 int32 int64 complex64 complex128}; adj_x:bool; adj_y:bool
BatchMatMulV2(x:T, y:T) -> (output:T); T:type{bfloat16 float16 float32 float64 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128}; adj_x:bool; adj_y:bool
BatchMatMulV3(x:Ta, y:Tb) -> (output:Tout); Ta:type{bfloat16 float16 float32 float64 uint8 int8 int16 int32 int64 complex64 complex128}; Tb:type{bfloat16 float16 float32 float64 uint8 int8 int16 int32 int64 complex64 complex128}; Tout:type{bfloat16 float16 float32 float64 int16 int32 int64 complex64 complex128}; adj_x:bool; adj_y:bool
BatchToSpace(input:T, crops:Tidx) -> (output:T); T:type; block_size:int>=2; Tidx:type{int32 int64}
BatchToSpaceND(input:T, block_shape:Tblock_shape, crops:Tcrops) -> (output:T); T:type; Tblock_shape:type{int32 int64}; Tcrops:type{int32 int64}
BesselI0(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
BesselI0e(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
BesselI1(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
BesselI1e(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Betainc(a:T, b:T, x:T) -> (z:T); T:type{float32 float64}
BiasAdd(value:T, bias:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; data_format:string{'NHWC' 'NCHW'}
BiasAddGrad(out_backprop:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; data_format:string{'NHWC' 'NCHW'}
BiasAddV1(value:T, bias:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
Bincount(arr:int32, size:int32, weights:T) -> (bins:T); T:type{int32 int64 float32 float64}
Bitcast(input:T) -> (output:type); T:type{bfloat16 float16 float32 float64 int64 int32 uint8 uint16 uint32 uint64 int8 int16 complex64 complex128 qint8 quint8 qint16 quint16 qint32}; type:type{bfloat16 float16 float32 float64 int64 int32 uint8 uint16 uint32 uint64 int8 int16 complex64 complex128 qint8 quint8 qint16 quint16 qint32}
BitwiseAnd(x:T, y:T) -> (z:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
BitwiseOr(x:T, y:T) -> (z:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
BitwiseXor(x:T, y:T) -> (z:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
BroadcastArgs(s0:T, s1:T) -> (r0:T); T:type{int32 int64}
BroadcastGradientArgs(s0:T, s1:T) -> (r0:T, r1:T); T:type{int32 int64}
BroadcastTo(input:T, shape:Tidx) -> (output:T); T:type; Tidx:type{int32 int64}
Bucketize(input:T) -> (output:int32); T:type{int32 int64 float32 float64}; boundaries:list(float)
Case(branch_index:int32, input:[Tin]) -> (output:[Tout]); Tin:list(type)>=0; Tout:list(type)>=0; branches:list(func)>=1; output_shapes:list(shape)
Cast(x:SrcT) -> (y:DstT); SrcT:type; DstT:type; Truncate:bool
Ceil(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
CheckNumerics(tensor:T) -> (output:T); T:type{bfloat16 float16 float32 float64}; message:string
CheckNumericsV2(tensor:T) -> (output:T); T:type{bfloat16 float16 float32 float64}; message:string
ClipByValue(t:T, clip_value_min:T, clip_value_max:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
Complex(real:T, imag:T) -> (out:Tout); T:type{float32 float64}; Tout:type{complex64 complex128}
ComplexAbs(x:T) -> (y:Tout); T:type{complex64 complex128}; Tout:type{float32 float64}
Concat(concat_dim:int32, values:N*T) -> (output:T); N:int>=2; T:type
ConcatOffset(concat_dim:int32, shape:N*shape_type) -> (offset:N*shape_type); N:int>=2; shape_type:type{int32 int64}
ConcatV2(values:N*T, axis:Tidx) -> (output:T); N:int>=2; T:type; Tidx:type{int32 int64}
ConcatenateDataset(input_dataset:variant, another_dataset:variant) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Conj(input:T) -> (output:T); T:type{complex64 complex128 variant}
Const() -> (output:dtype); value:tensor; dtype:type
Conv2D(input:T, filter:T) -> (output:T); T:type{float16 bfloat16 float32 float64 int32}; strides:list(int); use_cudnn_on_gpu:bool; padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW'}; dilations:list(int)
Conv2DBackpropFilter(input:T, filter_sizes:int32, out_backprop:T) -> (output:T); T:type{float16 bfloat16 float32 float64}; strides:list(int); use_cudnn_on_gpu:bool; padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW'}; dilations:list(int)
Conv2DBackpropInput(input_sizes:int32, filter:T, out_backprop:T) -> (output:T); T:type{float16 bfloat16 float32 float64 int32}; strides:list(int); use_cudnn_on_gpu:bool; padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW'}; dilations:list(int)
Cos(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Cosh(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Cross(a:T, b:T) -> (product:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
Cumprod(x:T, axis:Tidx) -> (out:T); exclusive:bool; reverse:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tidx:type{int32 int64}
Cumsum(x:T, axis:Tidx) -> (out:T); exclusive:bool; reverse:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tidx:type{int32 int64}
CumulativeLogsumexp(x:T, axis:Tidx) -> (out:T); exclusive:bool; reverse:bool; T:type{bfloat16 float16 float32 float64}; Tidx:type{int32 int64}
DataFormatDimMap(x:T) -> (y:T); T:type{int32 int64}; src_format:string; dst_format:string
DataFormatVecPermute(x:T) -> (y:T); T:type{int32 int64}; src_format:string; dst_format:string
DatasetCardinality(input_dataset:variant) -> (cardinality:int64); cardinality_options:string
DatasetToSingleElement(dataset:variant) -> (components:[output_types]); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
DecodeBase64(input:string) -> (output:string)
DecodePaddedRaw(input_bytes:string, fixed_length:int32) -> (output:out_type); out_type:type{float16 float32 float64 int32 uint16 uint8 int16 int8 int64 bfloat16}; little_endian:bool
DecodeRaw(bytes:string) -> (output:out_type); out_type:type{float16 float32 float64 int32 uint16 uint8 int16 int8 int64 complex64 complex128 bool bfloat16}; little_endian:bool
DeleteIterator(handle:resource, deleter:variant) -> ()
DeleteRandomSeedGenerator(handle:resource, deleter:variant) -> ()
DeleteSeedGenerator(handle:resource, deleter:variant) -> ()
DenseCountSparseOutput(values:T, weights:output_type) -> (output_indices:int64, output_values:output_type, output_dense_shape:int64); T:type{int32 int64}; minlength:int>=-1; maxlength:int>=-1; binary_output:bool; output_type:type{int32 int64 float32 float64}
DenseToDenseSetOperation(set1:T, set2:T) -> (result_indices:int64, result_values:T, result_shape:int64); set_operation:string; validate_indices:bool; T:type{int8 int16 int32 int64 uint8 uint16 string}
DenseToSparseBatchDataset(input_dataset:variant, batch_size:int64, row_shape:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1
DenseToSparseSetOperation(set1:T, set2_indices:int64, set2_values:T, set2_shape:int64) -> (result_indices:int64, result_values:T, result_shape:int64); set_operation:string; validate_indices:bool; T:type{int8 int16 int32 int64 uint8 uint16 string}
DepthToSpace(input:T) -> (output:T); T:type; block_size:int>=2; data_format:string{'NHWC' 'NCHW' 'NCHW_VECT_C'}
DepthwiseConv2dNative(input:T, filter:T) -> (output:T); T:type{float16 bfloat16 float32 float64}; strides:list(int); padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW'}; dilations:list(int)
DepthwiseConv2dNativeBackpropInput(input_sizes:int32, filter:T, out_backprop:T) -> (output:T); T:type{float16 bfloat16 float32 float64}; strides:list(int); padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW'}; dilations:list(int)
Dequantize(input:T, min_range:float32, max_range:float32) -> (output:dtype); T:type{qint8 quint8 qint32 qint16 quint16}; mode:string{'MIN_COMBINED' 'MIN_FIRST' 'SCALED'}; narrow_range:bool; axis:int; dtype:type{bfloat16 float32}
DestroyResourceOp(resource:resource) -> (); ignore_lookup_error:bool
Diag(diagonal:T) -> (output:T); T:type{bfloat16 float16 float32 float64 int32 int64 complex64 complex128}
DiagPart(input:T) -> (diagonal:T); T:type{bfloat16 float16 float32 float64 int32 int64 complex64 complex128}
Digamma(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Dilation2D(input:T, filter:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; strides:list(int)>=4; rates:list(int)>=4; padding:string{'SAME' 'VALID'}
Dilation2DBackpropFilter(input:T, filter:T, out_backprop:T) -> (filter_backprop:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; strides:list(int)>=4; rates:list(int)>=4; padding:string{'SAME' 'VALID'}
Dilation2DBackpropInput(input:T, filter:T, out_backprop:T) -> (in_backprop:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; strides:list(int)>=4; rates:list(int)>=4; padding:string{'SAME' 'VALID'}
DirectedInterleaveDataset(selector_input_dataset:variant, data_input_datasets:N*variant) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; N:int>=1; stop_on_empty_dataset:bool
DisableCopyOnRead(resource:resource) -> ()
Div(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 uint16 int16 int32 uint32 uint64 int64 complex64 complex128}
DivNoNan(x:T, y:T) -> (z:T); T:type{float16 float32 bfloat16 float64 complex64 complex128}
DummyIterationCounter() -> (handle:resource)
DummySeedGenerator() -> (handle:resource)
DynamicPartition(data:T, partitions:int32) -> (outputs:num_partitions*T); num_partitions:int>=1; T:type
DynamicStitch(indices:N*int32, data:N*T) -> (merged:T); N:int>=1; T:type
EditDistance(hypothesis_indices:int64, hypothesis_values:T, hypothesis_shape:int64, truth_indices:int64, truth_values:T, truth_shape:int64) -> (output:float32); normalize:bool; T:type
Eig(input:T) -> (e:Tout, v:Tout); compute_v:bool; T:type{float32 float64 complex64 complex128}; Tout:type{complex64 complex128}
Einsum(inputs:N*T) -> (output:T); equation:string; N:int>=1; T:type
Elu(features:T) -> (activations:T); T:type{float16 bfloat16 float32 float64}
EluGrad(gradients:T, outputs:T) -> (backprops:T); T:type{float16 bfloat16 float32 float64}
Empty(shape:int32) -> (output:dtype); dtype:type; init:bool
EmptyTensorList(element_shape:shape_type, max_num_elements:int32) -> (handle:variant); element_dtype:type; shape_type:type{int32 int64}
EncodeBase64(input:string) -> (output:string); pad:bool
EnsureShape(input:T) -> (output:T); shape:shape; T:type
Equal(x:T, y:T) -> (z:bool); T:type; incompatible_shape_error:bool
Erf(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Erfc(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Erfinv(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
EuclideanNorm(input:T, reduction_indices:Tidx) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tidx:type{int32 int64}
Exp(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
ExpandDims(input:T, dim:Tdim) -> (output:T); T:type; Tdim:type{int32 int64}
Expint(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Expm1(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
ExtractImagePatches(images:T) -> (patches:T); ksizes:list(int)>=4; strides:list(int)>=4; rates:list(int)>=4; T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128 bool}; padding:string{'SAME' 'VALID'}
FFT(input:Tcomplex) -> (output:Tcomplex); Tcomplex:type{complex64 complex128}
FFT2D(input:Tcomplex) -> (output:Tcomplex); Tcomplex:type{complex64 complex128}
FFT3D(input:Tcomplex) -> (output:Tcomplex); Tcomplex:type{complex64 complex128}
FakeQuantWithMinMaxArgs(inputs:float32) -> (outputs:float32); min:float; max:float; num_bits:int; narrow_range:bool
FakeQuantWithMinMaxArgsGradient(gradients:float32, inputs:float32) -> (backprops:float32); min:float; max:float; num_bits:int; narrow_range:bool
FakeQuantWithMinMaxVars(inputs:float32, min:float32, max:float32) -> (outputs:float32); num_bits:int; narrow_range:bool
FakeQuantWithMinMaxVarsGradient(gradients:float32, inputs:float32, min:float32, max:float32) -> (backprops_wrt_input:float32, backprop_wrt_min:float32, backprop_wrt_max:float32); num_bits:int; narrow_range:bool
FakeQuantWithMinMaxVarsPerChannel(inputs:float32, min:float32, max:float32) -> (outputs:float32); num_bits:int; narrow_range:bool
FakeQuantWithMinMaxVarsPerChannelGradient(gradients:float32, inputs:float32, min:float32, max:float32) -> (backprops_wrt_input:float32, backprop_wrt_min:float32, backprop_wrt_max:float32); num_bits:int; narrow_range:bool
Fill(dims:index_type, value:T) -> (output:T); T:type; index_type:type{int32 int64}
FilterDataset(input_dataset:variant, other_arguments:[Targuments]) -> (handle:variant); predicate:func; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Fingerprint(data:T, method:string) -> (fingerprint:uint8); T:type
FlatMapDataset(input_dataset:variant, other_arguments:[Targuments]) -> (handle:variant); f:func; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Floor(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
FloorDiv(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 uint16 int16 int32 uint32 uint64 int64 complex64 complex128}
FloorMod(x:T, y:T) -> (z:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64 bfloat16 float16 float32 float64}
FusedBatchNormGrad(y_backprop:T, x:T, scale:T, reserve_space_1:T, reserve_space_2:T) -> (x_backprop:T, scale_backprop:T, offset_backprop:T, reserve_space_3:T, reserve_space_4:T); T:type{float32}; epsilon:float; data_format:string{'NHWC' 'NCHW'}; is_training:bool
FusedBatchNormGradV2(y_backprop:T, x:T, scale:float32, reserve_space_1:U, reserve_space_2:U) -> (x_backprop:T, scale_backprop:U, offset_backprop:U, reserve_space_3:U, reserve_space_4:U); T:type{float16 bfloat16 float32}; U:type{float32}; epsilon:float; data_format:string{'NHWC' 'NCHW'}; is_training:bool
FusedBatchNormGradV3(y_backprop:T, x:T, scale:float32, reserve_space_1:U, reserve_space_2:U, reserve_space_3:U) -> (x_backprop:T, scale_backprop:U, offset_backprop:U, reserve_space_4:U, reserve_space_5:U); T:type{float16 bfloat16 float32}; U:type{float32}; epsilon:float; data_format:string{'NHWC' 'NCHW' 'NDHWC' 'NCDHW'}; is_training:bool
FusedBatchNormV3(x:T, scale:U, offset:U, mean:U, variance:U) -> (y:T, batch_mean:U, batch_variance:U, reserve_space_1:U, reserve_space_2:U, reserve_space_3:U); T:type{float16 bfloat16 float32}; U:type{bfloat16 float32}; epsilon:float; exponential_avg_factor:float; data_format:string{'NHWC' 'NCHW' 'NDHWC' 'NCDHW'}; is_training:bool
Gather(params:Tparams, indices:Tindices) -> (output:Tparams); validate_indices:bool; Tparams:type; Tindices:type{int32 int64}
GatherNd(params:Tparams, indices:Tindices) -> (output:Tparams); Tparams:type; Tindices:type{int16 int32 int64}
GatherV2(params:Tparams, indices:Tindices, axis:Taxis) -> (output:Tparams); batch_dims:int; Tparams:type; Tindices:type{int16 int32 int64}; Taxis:type{int32 int64}
GetElementAtIndex(dataset:variant, index:int64) -> (components:[output_types]); output_types:list(type)>=1; output_shapes:list(shape)>=1
Greater(x:T, y:T) -> (z:bool); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
GreaterEqual(x:T, y:T) -> (z:bool); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
GroupByReducerDataset(input_dataset:variant, key_func_other_arguments:[Tkey_func_other_arguments], init_func_other_arguments:[Tinit_func_other_arguments], reduce_func_other_arguments:[Treduce_func_other_arguments], finalize_func_other_arguments:[Tfinalize_func_other_arguments]) -> (handle:variant); key_func:func; init_func:func; reduce_func:func; finalize_func:func; Tkey_func_other_arguments:list(type)>=0; Tinit_func_other_arguments:list(type)>=0; Treduce_func_other_arguments:list(type)>=0; Tfinalize_func_other_arguments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1
GroupByWindowDataset(input_dataset:variant, key_func_other_arguments:[Tkey_func_other_arguments], reduce_func_other_arguments:[Treduce_func_other_arguments], window_size_func_other_arguments:[Twindow_size_func_other_arguments]) -> (handle:variant); key_func:func; reduce_func:func; window_size_func:func; Tkey_func_other_arguments:list(type)>=0; Treduce_func_other_arguments:list(type)>=0; Twindow_size_func_other_arguments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
HSVToRGB(images:T) -> (output:T); T:type{float16 bfloat16 float32 float64}
HashTableV2() -> (table_handle:resource); container:string; shared_name:string; use_node_name_sharing:bool; key_dtype:type; value_dtype:type
IFFT(input:Tcomplex) -> (output:Tcomplex); Tcomplex:type{complex64 complex128}
IFFT2D(input:Tcomplex) -> (output:Tcomplex); Tcomplex:type{complex64 complex128}
IFFT3D(input:Tcomplex) -> (output:Tcomplex); Tcomplex:type{complex64 complex128}
Identity(input:T) -> (output:T); T:type
IdentityN(input:[T]) -> (output:[T]); T:list(type)>=1
If(cond:Tcond, input:[Tin]) -> (output:[Tout]); Tcond:type; Tin:list(type)>=0; Tout:list(type)>=0; then_branch:func; else_branch:func; output_shapes:list(shape)
Igamma(a:T, x:T) -> (z:T); T:type{bfloat16 float16 float32 float64}
IgammaGradA(a:T, x:T) -> (z:T); T:type{float32 float64}
Igammac(a:T, x:T) -> (z:T); T:type{bfloat16 float16 float32 float64}
IgnoreErrorsDataset(input_dataset:variant) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; log_warning:bool
Imag(input:T) -> (output:Tout); T:type{complex64 complex128}; Tout:type{float32 float64}
ImageProjectiveTransformV3(images:dtype, transforms:float32, output_shape:int32, fill_value:float32) -> (transformed_images:dtype); dtype:type{uint8 int32 int64 float16 float32 float64}; interpolation:string; fill_mode:string
InTopK(predictions:float32, targets:T) -> (precision:bool); k:int; T:type{int32 int64}
InTopKV2(predictions:float32, targets:T, k:T) -> (precision:bool); T:type{int32 int64}
InitializeTableV2(table_handle:resource, keys:Tkey, values:Tval) -> (); Tkey:type; Tval:type
InterleaveDataset(input_dataset:variant, other_arguments:[Targuments], cycle_length:int64, block_length:int64) -> (handle:variant); f:func; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Inv(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 complex64 complex128}
InvGrad(y:T, dy:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Invert(x:T) -> (y:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
InvertPermutation(x:T) -> (y:T); T:type{int32 int64}
IsFinite(x:T) -> (y:bool); T:type{bfloat16 float16 float32 float64}
IsInf(x:T) -> (y:bool); T:type{bfloat16 float16 float32 float64}
IsNan(x:T) -> (y:bool); T:type{bfloat16 float16 float32 float64}
IteratorGetNext(iterator:resource) -> (components:[output_types]); output_types:list(type)>=1; output_shapes:list(shape)>=1
IteratorGetNextAsOptional(iterator:resource) -> (optional:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1
IteratorGetNextSync(iterator:resource) -> (components:[output_types]); output_types:list(type)>=1; output_shapes:list(shape)>=1
KthOrderStatistic(input:float32) -> (output:float32); k:int
L2Loss(t:T) -> (output:T); T:type{float16 bfloat16 float32 float64}
LRN(input:T) -> (output:T); depth_radius:int; bias:float; alpha:float; beta:float; T:type{float16 bfloat16 float32}
LRNGrad(input_grads:T, input_image:T, output_image:T) -> (output:T); depth_radius:int; bias:float; alpha:float; beta:float; T:type{float16 bfloat16 float32}
LeakyRelu(features:T) -> (activations:T); alpha:float; T:type{float16 bfloat16 float32 float64}
LeakyReluGrad(gradients:T, features:T) -> (backprops:T); alpha:float; T:type{float16 bfloat16 float32 float64}
LeftShift(x:T, y:T) -> (z:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
Less(x:T, y:T) -> (z:bool); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
LessEqual(x:T, y:T) -> (z:bool); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
Lgamma(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
LinSpace(start:T, stop:T, num:Tidx) -> (output:T); T:type{bfloat16 float16 float32 float64}; Tidx:type{int32 int64}
ListDiff(x:T, y:T) -> (out:T, idx:out_idx); T:type; out_idx:type{int32 int64}
Log(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Log1p(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
LogMatrixDeterminant(input:T) -> (sign:T, log_abs_determinant:T); T:type{float16 float32 float64 complex64 complex128}
LogSoftmax(logits:T) -> (logsoftmax:T); T:type{float16 bfloat16 float32 float64}
LogUniformCandidateSampler(true_classes:int64) -> (sampled_candidates:int64, true_expected_count:float32, sampled_expected_count:float32); num_true:int>=1; num_sampled:int>=1; unique:bool; range_max:int>=1; seed:int; seed2:int
LogicalAnd(x:bool, y:bool) -> (z:bool)
LogicalNot(x:bool) -> (y:bool)
LogicalOr(x:bool, y:bool) -> (z:bool)
LookupTableExportV2(table_handle:resource) -> (keys:Tkeys, values:Tvalues); Tkeys:type; Tvalues:type
LookupTableFindV2(table_handle:resource, keys:Tin, default_value:Tout) -> (values:Tout); Tin:type; Tout:type
LookupTableImportV2(table_handle:resource, keys:Tin, values:Tout) -> (); Tin:type; Tout:type
LookupTableInsertV2(table_handle:resource, keys:Tin, values:Tout) -> (); Tin:type; Tout:type
LookupTableRemoveV2(table_handle:resource, keys:Tin) -> (); Tin:type
LookupTableSizeV2(table_handle:resource) -> (size:int64)
LowerBound(sorted_inputs:T, values:T) -> (output:out_type); T:type; out_type:type{int32 int64}
Lu(input:T) -> (lu:T, p:output_idx_type); T:type{float64 float32 float16 complex64 complex128}; output_idx_type:type{int32 int64}
MakeIterator(dataset:variant, iterator:resource) -> ()
MapDataset(input_dataset:variant, other_arguments:[Targuments]) -> (handle:variant); f:func; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; use_inter_op_parallelism:bool; preserve_cardinality:bool; metadata:string
MatMul(a:T, b:T) -> (product:T); transpose_a:bool; transpose_b:bool; T:type{bfloat16 float16 float32 float64 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128}
MatrixBandPart(input:T, num_lower:Tindex, num_upper:Tindex) -> (band:T); T:type; Tindex:type{int32 int64}
MatrixDeterminant(input:T) -> (output:T); T:type{float16 float32 float64 complex64 complex128}
MatrixDiag(diagonal:T) -> (output:T); T:type
MatrixDiagPart(input:T) -> (diagonal:T); T:type
MatrixDiagPartV2(input:T, k:int32, padding_value:T) -> (diagonal:T); T:type
MatrixDiagPartV3(input:T, k:int32, padding_value:T) -> (diagonal:T); T:type; align:string{'LEFT_RIGHT' 'RIGHT_LEFT' 'LEFT_LEFT' 'RIGHT_RIGHT'}
MatrixDiagV2(diagonal:T, k:int32, num_rows:int32, num_cols:int32, padding_value:T) -> (output:T); T:type
MatrixDiagV3(diagonal:T, k:int32, num_rows:int32, num_cols:int32, padding_value:T) -> (output:T); T:type; align:string{'LEFT_RIGHT' 'RIGHT_LEFT' 'LEFT_LEFT' 'RIGHT_RIGHT'}
MatrixExponential(input:T) -> (output:T); T:type{float64 float32 float16 complex64 complex128}
MatrixInverse(input:T) -> (output:T); adjoint:bool; T:type{float64 float32 float16 complex64 complex128}
MatrixSetDiag(input:T, diagonal:T) -> (output:T); T:type
MatrixSetDiagV2(input:T, diagonal:T, k:int32) -> (output:T); T:type
MatrixSetDiagV3(input:T, diagonal:T, k:int32) -> (output:T); T:type; align:string{'LEFT_RIGHT' 'RIGHT_LEFT' 'LEFT_LEFT' 'RIGHT_RIGHT'}
MatrixSolve(matrix:T, rhs:T) -> (output:T); adjoint:bool; T:type{float64 float32 float16 complex64 complex128}
MatrixSquareRoot(input:T) -> (output:T); T:type{float64 float32 float16 complex64 complex128}
MatrixTriangularSolve(matrix:T, rhs:T) -> (output:T); lower:bool; adjoint:bool; T:type{bfloat16 float64 float32 float16 complex64 complex128}
Max(input:T, reduction_indices:Tidx) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64 qint8 quint8 qint32 qint16 quint16}; Tidx:type{int32 int64}
MaxPool(input:T) -> (output:T); T:type{float16 bfloat16 float32 float64 int32 int64 uint8 int16 int8 uint16 qint8}; ksize:list(int)>=4; strides:list(int)>=4; padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW' 'NCHW_VECT_C'}
MaxPool3D(input:T) -> (output:T); ksize:list(int)>=5; strides:list(int)>=5; padding:string{'SAME' 'VALID'}; data_format:string{'NDHWC' 'NCDHW'}; T:type{float16 bfloat16 float32}
MaxPool3DGrad(orig_input:TInput, orig_output:TInput, grad:T) -> (output:T); ksize:list(int)>=5; strides:list(int)>=5; padding:string{'SAME' 'VALID'}; data_format:string{'NDHWC' 'NCDHW'}; T:type{float16 bfloat16 float32}; TInput:type{float16 bfloat16 float32}
MaxPool3DGradGrad(orig_input:T, orig_output:T, grad:T) -> (output:T); ksize:list(int)>=5; strides:list(int)>=5; padding:string{'SAME' 'VALID'}; data_format:string{'NDHWC' 'NCDHW'}; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
MaxPoolGrad(orig_input:T, orig_output:T, grad:T) -> (output:T); ksize:list(int)>=4; strides:list(int)>=4; padding:string{'SAME' 'VALID' 'EXPLICIT'}; explicit_paddings:list(int); data_format:string{'NHWC' 'NCHW'}; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
MaxPoolGradGrad(orig_input:T, orig_output:T, grad:T) -> (output:T); ksize:list(int)>=4; strides:list(int)>=4; padding:string{'SAME' 'VALID'}; data_format:string{'NHWC' 'NCHW'}; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
MaxPoolGradV2(orig_input:T, orig_output:T, grad:T, ksize:int32, strides:int32) -> (output:T); padding:string{'SAME' 'VALID'}; data_format:string{'NHWC' 'NCHW'}; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
MaxPoolGradWithArgmax(input:T, grad:T, argmax:Targmax) -> (output:T); ksize:list(int)>=4; strides:list(int)>=4; padding:string{'SAME' 'VALID'}; include_batch_in_index:bool; Targmax:type{int32 int64}; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
MaxPoolV2(input:T, ksize:int32, strides:int32) -> (output:T); T:type{float16 bfloat16 float32 float64 int32 int64 uint8 int16 int8 uint16 qint8}; padding:string{'SAME' 'VALID'}; data_format:string{'NHWC' 'NCHW' 'NCHW_VECT_C'}
MaxPoolWithArgmax(input:T) -> (output:T, argmax:Targmax); ksize:list(int)>=4; strides:list(int)>=4; Targmax:type{int32 int64}; padding:string{'SAME' 'VALID'}; include_batch_in_index:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
Maximum(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64}
Mean(input:T, reduction_indices:Tidx) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tidx:type{int32 int64}
Min(input:T, reduction_indices:Tidx) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64 qint8 quint8 qint32 qint16 quint16}; Tidx:type{int32 int64}
Minimum(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64}
MirrorPad(input:T, paddings:Tpaddings) -> (output:T); T:type; Tpaddings:type{int32 int64}; mode:string{'REFLECT' 'SYMMETRIC'}
MirrorPadGrad(input:T, paddings:Tpaddings) -> (output:T); T:type; Tpaddings:type{int32 int64}; mode:string{'REFLECT' 'SYMMETRIC'}
Mod(x:T, y:T) -> (z:T); T:type{int32 int64 float16 float16 bfloat16 float32 float64}
Mul(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 uint16 int16 int32 uint32 uint64 int64 complex64 complex128}
MulNoNan(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Multinomial(logits:T, num_samples:int32) -> (output:output_dtype); seed:int; seed2:int; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; output_dtype:type{int32 int64}
MutableDenseHashTableV2(empty_key:key_dtype, deleted_key:key_dtype) -> (table_handle:resource); container:string; shared_name:string; use_node_name_sharing:bool; key_dtype:type; value_dtype:type; value_shape:shape; initial_num_buckets:int; max_load_factor:float
MutableHashTableOfTensorsV2() -> (table_handle:resource); container:string; shared_name:string; use_node_name_sharing:bool; key_dtype:type; value_dtype:type; value_shape:shape
MutableHashTableV2() -> (table_handle:resource); container:string; shared_name:string; use_node_name_sharing:bool; key_dtype:type; value_dtype:type
Ndtri(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Neg(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 complex64 complex128}
NextAfter(x1:T, x2:T) -> (output:T); T:type{float64 float32}
NoOp() -> ()
NonDeterministicInts(shape:shape_dtype) -> (output:dtype); dtype:type; shape_dtype:type
NotEqual(x:T, y:T) -> (z:bool); T:type; incompatible_shape_error:bool
NthElement(input:T, n:int32) -> (values:T); reverse:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
OneHot(indices:TI, depth:int32, on_value:T, off_value:T) -> (output:T); axis:int; T:type; TI:type{uint8 int8 int32 int64}
OnesLike(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 complex64 complex128 bool}
OptionalFromValue(components:[Toutput_types]) -> (optional:variant); Toutput_types:list(type)>=1
OptionalGetValue(optional:variant) -> (components:[output_types]); output_types:list(type)>=1; output_shapes:list(shape)>=1
OptionalHasValue(optional:variant) -> (has_value:bool)
OptionalNone() -> (optional:variant)
Pack(values:N*T) -> (output:T); N:int>=1; T:type; axis:int
Pad(input:T, paddings:Tpaddings) -> (output:T); T:type; Tpaddings:type{int32 int64}
PadV2(input:T, paddings:Tpaddings, constant_values:T) -> (output:T); T:type; Tpaddings:type{int32 int64}
PaddedBatchDataset(input_dataset:variant, batch_size:int64, padded_shapes:N*int64, padding_values:[Toutput_types]) -> (handle:variant); Toutput_types:list(type)>=1; output_shapes:list(shape)>=1; N:int>=1; metadata:string
PaddedBatchDatasetV2(input_dataset:variant, batch_size:int64, padded_shapes:N*int64, padding_values:[Toutput_types], drop_remainder:bool) -> (handle:variant); parallel_copy:bool; Toutput_types:list(type)>=1; output_shapes:list(shape)>=1; N:int>=1; metadata:string
ParallelBatchDataset(input_dataset:variant, batch_size:int64, num_parallel_calls:int64, drop_remainder:bool) -> (handle:variant); parallel_copy:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; deterministic:string; metadata:string
ParallelFilterDataset(input_dataset:variant, other_arguments:[Targuments], num_parallel_calls:int64) -> (handle:variant); predicate:func; deterministic:string; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
ParallelInterleaveDatasetV4(input_dataset:variant, other_arguments:[Targuments], cycle_length:int64, block_length:int64, buffer_output_elements:int64, prefetch_input_elements:int64, num_parallel_calls:int64) -> (handle:variant); f:func; deterministic:string; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
ParallelMapDatasetV2(input_dataset:variant, other_arguments:[Targuments], num_parallel_calls:int64) -> (handle:variant); f:func; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; use_inter_op_parallelism:bool; deterministic:string; preserve_cardinality:bool; metadata:string
ParameterizedTruncatedNormal(shape:T, means:dtype, stdevs:dtype, minvals:dtype, maxvals:dtype) -> (output:dtype); seed:int; seed2:int; dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}
PartitionedCall(args:[Tin]) -> (output:[Tout]); Tin:list(type)>=0; Tout:list(type)>=0; f:func; config:string; config_proto:string; executor_type:string
Placeholder() -> (output:dtype); dtype:type; shape:shape
PlaceholderV2() -> (output:dtype); dtype:type; shape:shape
PlaceholderWithDefault(input:dtype) -> (output:dtype); dtype:type; shape:shape
Polygamma(a:T, x:T) -> (z:T); T:type{float32 float64}
PopulationCount(x:T) -> (y:uint8); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
Pow(x:T, y:T) -> (z:T); T:type{bfloat16 float32 float16 float64 int8 int16 int32 int64 complex64 complex128}
PrefetchDataset(input_dataset:variant, buffer_size:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; slack_period:int; legacy_autotune:bool; buffer_size_min:int; metadata:string
PreventGradient(input:T) -> (output:T); T:type; message:string
Prod(input:T, reduction_indices:Tidx) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tidx:type{int32 int64}
Qr(input:T) -> (q:T, r:T); full_matrices:bool; T:type{float64 float32 float16 complex64 complex128}
QuantizeAndDequantizeV2(input:T, input_min:T, input_max:T) -> (output:T); signed_input:bool; num_bits:int; range_given:bool; T:type{bfloat16 float16 float32 float64}; round_mode:string{'HALF_TO_EVEN' 'HALF_UP'}; narrow_range:bool; axis:int
QuantizeAndDequantizeV3(input:T, input_min:T, input_max:T, num_bits:int32) -> (output:T); signed_input:bool; range_given:bool; T:type{bfloat16 float16 float32 float64}; narrow_range:bool; axis:int
QuantizeAndDequantizeV4(input:T, input_min:T, input_max:T) -> (output:T); signed_input:bool; num_bits:int; range_given:bool; T:type{bfloat16 float16 float32 float64}; round_mode:string{'HALF_TO_EVEN' 'HALF_UP'}; narrow_range:bool; axis:int
QuantizeAndDequantizeV4Grad(gradients:T, input:T, input_min:T, input_max:T) -> (input_backprop:T, input_min_backprop:T, input_max_backprop:T); T:type{bfloat16 float16 float32 float64}; axis:int
QuantizeV2(input:float32, min_range:float32, max_range:float32) -> (output:T, output_min:float32, output_max:float32); T:type{qint8 quint8 qint32 qint16 quint16}; mode:string{'MIN_COMBINED' 'MIN_FIRST' 'SCALED'}; round_mode:string{'HALF_AWAY_FROM_ZERO' 'HALF_TO_EVEN'}; narrow_range:bool; axis:int; ensure_minimum_range:float
RGBToHSV(images:T) -> (output:T); T:type{float16 bfloat16 float32 float64}
RaggedFillEmptyRows(value_rowids:int64, values:T, nrows:int64, default_value:T) -> (output_value_rowids:int64, output_values:T, empty_row_indicator:bool, reverse_index_map:int64); T:type
RaggedGather(params_nested_splits:PARAMS_RAGGED_RANK*Tsplits, params_dense_values:Tvalues, indices:Tindices) -> (output_nested_splits:OUTPUT_RAGGED_RANK*Tsplits, output_dense_values:Tvalues); Tvalues:type; Tindices:type{int32 int64}; Tsplits:type{int32 int64}; PARAMS_RAGGED_RANK:int>=1; OUTPUT_RAGGED_RANK:int>=0
RaggedRange(starts:T, limits:T, deltas:T) -> (rt_nested_splits:Tsplits, rt_dense_values:T); T:type{bfloat16 float32 float64 int32 int64}; Tsplits:type{int32 int64}
RaggedTensorFromVariant(encoded_ragged:variant) -> (output_nested_splits:output_ragged_rank*Tsplits, output_dense_values:Tvalues); input_ragged_rank:int>=-1; output_ragged_rank:int>=0; Tvalues:type; Tsplits:type{int32 int64}
RaggedTensorToSparse(rt_nested_splits:RAGGED_RANK*Tsplits, rt_dense_values:T) -> (sparse_indices:int64, sparse_values:T, sparse_dense_shape:int64); RAGGED_RANK:int>=1; T:type; Tsplits:type{int32 int64}
RaggedTensorToVariant(rt_nested_splits:RAGGED_RANK*Tsplits, rt_dense_values:Tvalues) -> (encoded_ragged:variant); RAGGED_RANK:int>=0; Tvalues:type; Tsplits:type{int32 int64}; batched_input:bool
RandomDataset(seed:int64, seed2:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
RandomDatasetV2(seed:int64, seed2:int64, seed_generator:resource) -> (handle:variant); rerandomize_each_iteration:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
RandomGamma(shape:S, alpha:T) -> (output:T); seed:int; seed2:int; S:type{int32 int64}; T:type{float16 float32 float64}
RandomGammaGrad(alpha:T, sample:T) -> (output:T); T:type{float32 float64}
RandomIndexShuffle(index:dtype, seed:Tseed, max_index:dtype) -> (output:dtype); rounds:int; dtype:type{int32 uint32 int64 uint64}; Tseed:type{int32 uint32 int64 uint64}
RandomPoisson(shape:S, rate:dtype) -> (output:dtype); seed:int; seed2:int; S:type{int32 int64}; dtype:type{float16 float32 float64}
RandomPoissonV2(shape:S, rate:R) -> (output:dtype); seed:int; seed2:int; S:type{int32 int64}; R:type{float16 float32 float64 int32 int64}; dtype:type{float16 float32 float64 int32 int64}
RandomShuffle(value:T) -> (output:T); seed:int; seed2:int; T:type
RandomStandardNormal(shape:T) -> (output:dtype); seed:int; seed2:int; dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}
RandomUniform(shape:T) -> (output:dtype); seed:int; seed2:int; dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}
RandomUniformInt(shape:T, minval:Tout, maxval:Tout) -> (output:Tout); seed:int; seed2:int; Tout:type{int32 int64}; T:type{int32 int64}
Range(start:Tidx, limit:Tidx, delta:Tidx) -> (output:Tidx); Tidx:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 uint16 uint32}
RangeDataset(start:int64, stop:int64, step:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string; replicate_on_split:bool
Rank(input:T) -> (output:int32); T:type
ReadVariableOp(resource:resource) -> (value:dtype); dtype:type
Real(input:T) -> (output:Tout); T:type{complex64 complex128}; Tout:type{float32 float64}
RealDiv(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 uint16 int16 int32 uint32 uint64 int64 complex64 complex128}
Reciprocal(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 complex64 complex128}
ReciprocalGrad(y:T, dy:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
ReduceDataset(input_dataset:variant, initial_state:[Tstate], other_arguments:[Targuments]) -> (components:[output_types]); f:func; Tstate:list(type)>=1; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; use_inter_op_parallelism:bool; metadata:string
ReduceJoin(inputs:string, reduction_indices:int32) -> (output:string); keep_dims:bool; separator:string
RegexFullMatch(input:string, pattern:string) -> (output:bool)
RegexReplace(input:string, pattern:string, rewrite:string) -> (output:string); replace_global:bool
Relu(features:T) -> (activations:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64 qint8}
Relu6(features:T) -> (activations:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
Relu6Grad(gradients:T, features:T) -> (backprops:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
ReluGrad(gradients:T, features:T) -> (backprops:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
RepeatDataset(input_dataset:variant, count:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Reshape(tensor:T, shape:Tshape) -> (output:T); T:type; Tshape:type{int32 int64}
ResizeArea(images:T, size:int32) -> (resized_images:float32); T:type{int8 uint8 int16 uint16 int32 int64 float16 float32 float64 bfloat16}; align_corners:bool
ResizeBicubic(images:T, size:int32) -> (resized_images:float32); T:type{int8 uint8 int16 uint16 int32 int64 float16 float32 float64 bfloat16}; align_corners:bool; half_pixel_centers:bool
ResizeBicubicGrad(grads:float32, original_image:T) -> (output:T); T:type{float32 float64}; align_corners:bool; half_pixel_centers:bool
ResizeBilinear(images:T, size:int32) -> (resized_images:float32); T:type{int8 uint8 int16 uint16 int32 int64 bfloat16 float16 float32 float64 bfloat16}; align_corners:bool; half_pixel_centers:bool
ResizeBilinearGrad(grads:float32, original_image:T) -> (output:T); T:type{float32 bfloat16 float16 float64}; align_corners:bool; half_pixel_centers:bool
ResizeNearestNeighbor(images:T, size:int32) -> (resized_images:T); T:type{int8 uint8 int16 uint16 int32 int64 float16 float32 float64 bfloat16}; align_corners:bool; half_pixel_centers:bool
ResizeNearestNeighborGrad(grads:T, size:int32) -> (output:T); T:type{uint8 int8 int32 float16 float32 float64 bfloat16}; align_corners:bool; half_pixel_centers:bool
ResourceApplyAdaMax(var:resource, m:resource, v:resource, beta1_power:T, lr:T, beta1:T, beta2:T, epsilon:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyAdagrad(var:resource, accum:resource, lr:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; update_slots:bool
ResourceApplyAdagradDA(var:resource, gradient_accumulator:resource, gradient_squared_accumulator:resource, grad:T, lr:T, l1:T, l2:T, global_step:int64) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyAdagradV2(var:resource, accum:resource, lr:T, epsilon:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; update_slots:bool
ResourceApplyAdam(var:resource, m:resource, v:resource, beta1_power:T, beta2_power:T, lr:T, beta1:T, beta2:T, epsilon:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; use_nesterov:bool
ResourceApplyAddSign(var:resource, m:resource, lr:T, alpha:T, sign_decay:T, beta:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyCenteredRMSProp(var:resource, mg:resource, ms:resource, mom:resource, lr:T, rho:T, momentum:T, epsilon:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyFtrl(var:resource, accum:resource, linear:resource, grad:T, lr:T, l1:T, l2:T, lr_power:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; multiply_linear_by_lr:bool
ResourceApplyFtrlV2(var:resource, accum:resource, linear:resource, grad:T, lr:T, l1:T, l2:T, l2_shrinkage:T, lr_power:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; multiply_linear_by_lr:bool
ResourceApplyGradientDescent(var:resource, alpha:T, delta:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyKerasMomentum(var:resource, accum:resource, lr:T, grad:T, momentum:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; use_nesterov:bool
ResourceApplyMomentum(var:resource, accum:resource, lr:T, grad:T, momentum:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool; use_nesterov:bool
ResourceApplyPowerSign(var:resource, m:resource, lr:T, logbase:T, sign_decay:T, beta:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyProximalAdagrad(var:resource, accum:resource, lr:T, l1:T, l2:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyProximalGradientDescent(var:resource, alpha:T, l1:T, l2:T, delta:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceApplyRMSProp(var:resource, ms:resource, mom:resource, lr:T, rho:T, momentum:T, epsilon:T, grad:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; use_locking:bool
ResourceGather(resource:resource, indices:Tindices) -> (output:dtype); batch_dims:int; validate_indices:bool; dtype:type; Tindices:type{int32 int64}
ResourceGatherNd(resource:resource, indices:Tindices) -> (output:dtype); dtype:type; Tindices:type{int32 int64}
ResourceSparseApplyAdadelta(var:resource, accum:resource, accum_update:resource, lr:T, rho:T, epsilon:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool
ResourceSparseApplyAdagrad(var:resource, accum:resource, lr:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool; update_slots:bool
ResourceSparseApplyAdagradDA(var:resource, gradient_accumulator:resource, gradient_squared_accumulator:resource, grad:T, indices:Tindices, lr:T, l1:T, l2:T, global_step:int64) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool
ResourceSparseApplyAdagradV2(var:resource, accum:resource, lr:T, epsilon:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool; update_slots:bool
ResourceSparseApplyCenteredRMSProp(var:resource, mg:resource, ms:resource, mom:resource, lr:T, rho:T, momentum:T, epsilon:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool
ResourceSparseApplyFtrl(var:resource, accum:resource, linear:resource, grad:T, indices:Tindices, lr:T, l1:T, l2:T, lr_power:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool; multiply_linear_by_lr:bool
ResourceSparseApplyFtrlV2(var:resource, accum:resource, linear:resource, grad:T, indices:Tindices, lr:T, l1:T, l2:T, l2_shrinkage:T, lr_power:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool; multiply_linear_by_lr:bool
ResourceSparseApplyKerasMomentum(var:resource, accum:resource, lr:T, grad:T, indices:Tindices, momentum:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool; use_nesterov:bool
ResourceSparseApplyMomentum(var:resource, accum:resource, lr:T, grad:T, indices:Tindices, momentum:T) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool; use_nesterov:bool
ResourceSparseApplyProximalAdagrad(var:resource, accum:resource, lr:T, l1:T, l2:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool
ResourceSparseApplyProximalGradientDescent(var:resource, alpha:T, l1:T, l2:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool
ResourceSparseApplyRMSProp(var:resource, ms:resource, mom:resource, lr:T, rho:T, momentum:T, epsilon:T, grad:T, indices:Tindices) -> (); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; use_locking:bool
ResourceStridedSliceAssign(ref:resource, begin:Index, end:Index, strides:Index, value:T) -> (); T:type; Index:type{int32 int64}; begin_mask:int; end_mask:int; ellipsis_mask:int; new_axis_mask:int; shrink_axis_mask:int
Reverse(tensor:T, dims:bool) -> (output:T); T:type{uint8 int8 uint16 int16 uint32 int32 uint64 int64 bool bfloat16 float16 float32 float64 complex64 complex128 string}
ReverseSequence(input:T, seq_lengths:Tlen) -> (output:T); seq_dim:int; batch_dim:int; T:type; Tlen:type{int32 int64}
ReverseV2(tensor:T, axis:Tidx) -> (output:T); Tidx:type{int32 int64}; T:type{uint8 int8 uint16 int16 int32 uint32 int64 uint64 bool bfloat16 float16 float32 float64 complex64 complex128 string}
RightShift(x:T, y:T) -> (z:T); T:type{int8 int16 int32 int64 uint8 uint16 uint32 uint64}
Rint(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
RngSkip(resource:resource, algorithm:int64, delta:int64) -> ()
Roll(input:T, shift:Tshift, axis:Taxis) -> (output:T); T:type; Tshift:type{int32 int64}; Taxis:type{int32 int64}
Round(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 complex64 complex128}
Rsqrt(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
RsqrtGrad(y:T, dy:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
SamplingDataset(input_dataset:variant, rate:float32, seed:int64, seed2:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1
ScanDataset(input_dataset:variant, initial_state:[Tstate], other_arguments:[Targuments]) -> (handle:variant); f:func; Tstate:list(type)>=1; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; preserve_cardinality:bool; use_default_device:bool; metadata:string
ScatterNd(indices:Tindices, updates:T, shape:Tindices) -> (output:T); T:type; Tindices:type{int16 int32 int64}
ScatterNdNonAliasingAdd(input:T, indices:Tindices, updates:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64 bool}; Tindices:type{int32 int64}
SegmentMax(data:T, segment_ids:Tindices) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tindices:type{int32 int64}
SegmentMean(data:T, segment_ids:Tindices) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}
SegmentMin(data:T, segment_ids:Tindices) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tindices:type{int32 int64}
SegmentProd(data:T, segment_ids:Tindices) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}
SegmentSum(data:T, segment_ids:Tindices) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}
Select(condition:bool, t:T, e:T) -> (output:T); T:type
SelectV2(condition:bool, t:T, e:T) -> (output:T); T:type
SelfAdjointEigV2(input:T) -> (e:T, v:T); compute_v:bool; T:type{float64 float32 float16 complex64 complex128}
Selu(features:T) -> (activations:T); T:type{float16 bfloat16 float32 float64}
SeluGrad(gradients:T, outputs:T) -> (backprops:T); T:type{float16 bfloat16 float32 float64}
SetSize(set_indices:int64, set_values:T, set_shape:int64) -> (size:int32); validate_indices:bool; T:type{int8 int16 int32 int64 uint8 uint16 string}
Shape(input:T) -> (output:out_type); T:type; out_type:type{int32 int64}
ShapeN(input:N*T) -> (output:N*out_type); N:int>=1; T:type; out_type:type{int32 int64}
ShardDataset(input_dataset:variant, num_shards:int64, index:int64) -> (handle:variant); require_non_empty:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
ShuffleAndRepeatDataset(input_dataset:variant, buffer_size:int64, seed:int64, seed2:int64, count:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; reshuffle_each_iteration:bool; metadata:string
ShuffleAndRepeatDatasetV2(input_dataset:variant, buffer_size:int64, seed:int64, seed2:int64, count:int64, seed_generator:resource) -> (handle:variant); reshuffle_each_iteration:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
ShuffleDataset(input_dataset:variant, buffer_size:int64, seed:int64, seed2:int64) -> (handle:variant); reshuffle_each_iteration:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
ShuffleDatasetV2(input_dataset:variant, buffer_size:int64, seed_generator:resource) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
ShuffleDatasetV3(input_dataset:variant, buffer_size:int64, seed:int64, seed2:int64, seed_generator:resource) -> (handle:variant); reshuffle_each_iteration:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Sigmoid(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
SigmoidGrad(y:T, dy:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Sign(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 complex64 complex128}
Sin(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Sinh(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Size(input:T) -> (output:out_type); T:type; out_type:type{int32 int64}
SkipDataset(input_dataset:variant, count:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Slice(input:T, begin:Index, size:Index) -> (output:T); T:type; Index:type{int32 int64}
SlidingWindowDataset(input_dataset:variant, window_size:int64, window_shift:int64, window_stride:int64) -> (handle:variant); drop_remainder:bool; output_types:list(type)>=1; output_shapes:list(shape)>=1
Softmax(logits:T) -> (softmax:T); T:type{float16 bfloat16 float32 float64}
SoftmaxCrossEntropyWithLogits(features:T, labels:T) -> (loss:T, backprop:T); T:type{float16 bfloat16 float32 float64}
Softplus(features:T) -> (activations:T); T:type{float16 bfloat16 float32 float64}
SoftplusGrad(gradients:T, features:T) -> (backprops:T); T:type{float16 bfloat16 float32 float64}
Softsign(features:T) -> (activations:T); T:type{float16 bfloat16 float32 float64}
SoftsignGrad(gradients:T, features:T) -> (backprops:T); T:type{float16 bfloat16 float32 float64}
SpaceToBatch(input:T, paddings:Tpaddings) -> (output:T); T:type; Tpaddings:type{int32 int64}; block_size:int>=2
SpaceToBatchND(input:T, block_shape:Tblock_shape, paddings:Tpaddings) -> (output:T); T:type; Tblock_shape:type{int32 int64}; Tpaddings:type{int32 int64}
SpaceToDepth(input:T) -> (output:T); T:type; block_size:int>=2; data_format:string{'NHWC' 'NCHW' 'NCHW_VECT_C'}
SparseAdd(a_indices:int64, a_values:T, a_shape:int64, b_indices:int64, b_values:T, b_shape:int64, thresh:Treal) -> (sum_indices:int64, sum_values:T, sum_shape:int64); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Treal:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
SparseAddGrad(backprop_val_grad:T, a_indices:int64, b_indices:int64, sum_indices:int64) -> (a_val_grad:T, b_val_grad:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseConcat(indices:N*int64, values:N*T, shapes:N*int64) -> (output_indices:int64, output_values:T, output_shape:int64); concat_dim:int; N:int>=2; T:type
SparseCountSparseOutput(indices:int64, values:T, dense_shape:int64, weights:output_type) -> (output_indices:int64, output_values:output_type, output_dense_shape:int64); T:type{int32 int64}; minlength:int>=-1; maxlength:int>=-1; binary_output:bool; output_type:type{int32 int64 float32 float64}
SparseCross(indices:N*int64, values:[sparse_types], shapes:N*int64, dense_inputs:[dense_types]) -> (output_indices:int64, output_values:out_type, output_shape:int64); N:int>=0; hashed_output:bool; num_buckets:int>=0; hash_key:int; sparse_types:list(type){int64 string}>=0; dense_types:list(type){int64 string}>=0; out_type:type{int64 string}; internal_type:type{int64 string}
SparseCrossV2(indices:N*int64, values:[sparse_types], shapes:N*int64, dense_inputs:[dense_types], sep:string) -> (output_indices:int64, output_values:string, output_shape:int64); N:int>=0; sparse_types:list(type){int64 string}>=0; dense_types:list(type){int64 string}>=0
SparseDenseCwiseAdd(sp_indices:int64, sp_values:T, sp_shape:int64, dense:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseDenseCwiseDiv(sp_indices:int64, sp_values:T, sp_shape:int64, dense:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseDenseCwiseMul(sp_indices:int64, sp_values:T, sp_shape:int64, dense:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseFillEmptyRows(indices:int64, values:T, dense_shape:int64, default_value:T) -> (output_indices:int64, output_values:T, empty_row_indicator:bool, reverse_index_map:int64); T:type
SparseFillEmptyRowsGrad(reverse_index_map:int64, grad_values:T) -> (d_values:T, d_default_value:T); T:type
SparseMatMul(a:Ta, b:Tb) -> (product:float32); transpose_a:bool; transpose_b:bool; a_is_sparse:bool; b_is_sparse:bool; Ta:type{float32 bfloat16}; Tb:type{float32 bfloat16}
SparseReduceMax(input_indices:int64, input_values:T, input_shape:int64, reduction_axes:int32) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
SparseReduceSum(input_indices:int64, input_values:T, input_shape:int64, reduction_axes:int32) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseReorder(input_indices:int64, input_values:T, input_shape:int64) -> (output_indices:int64, output_values:T); T:type
SparseReshape(input_indices:int64, input_shape:int64, new_shape:int64) -> (output_indices:int64, output_shape:int64)
SparseSegmentMean(data:T, indices:Tidx, segment_ids:Tsegmentids) -> (output:T); T:type{bfloat16 float16 float32 float64}; Tidx:type{int32 int64}; Tsegmentids:type{int32 int64}
SparseSegmentMeanWithNumSegments(data:T, indices:Tidx, segment_ids:Tsegmentids, num_segments:Tnumsegments) -> (output:T); T:type{bfloat16 float16 float32 float64}; Tidx:type{int32 int64}; Tnumsegments:type{int32 int64}; Tsegmentids:type{int32 int64}
SparseSegmentSqrtN(data:T, indices:Tidx, segment_ids:Tsegmentids) -> (output:T); T:type{bfloat16 float16 float32 float64}; Tidx:type{int32 int64}; Tsegmentids:type{int32 int64}
SparseSegmentSqrtNWithNumSegments(data:T, indices:Tidx, segment_ids:Tsegmentids, num_segments:Tnumsegments) -> (output:T); T:type{bfloat16 float16 float32 float64}; Tidx:type{int32 int64}; Tnumsegments:type{int32 int64}; Tsegmentids:type{int32 int64}
SparseSegmentSum(data:T, indices:Tidx, segment_ids:Tsegmentids) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tidx:type{int32 int64}; Tsegmentids:type{int32 int64}
SparseSegmentSumWithNumSegments(data:T, indices:Tidx, segment_ids:Tsegmentids, num_segments:Tnumsegments) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tidx:type{int32 int64}; Tnumsegments:type{int32 int64}; Tsegmentids:type{int32 int64}
SparseSlice(indices:int64, values:T, shape:int64, start:int64, size:int64) -> (output_indices:int64, output_values:T, output_shape:int64); T:type
SparseSliceGrad(backprop_val_grad:T, input_indices:int64, input_start:int64, output_indices:int64) -> (val_grad:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseSoftmax(sp_indices:int64, sp_values:T, sp_shape:int64) -> (output:T); T:type{float16 float32 float64}
SparseSoftmaxCrossEntropyWithLogits(features:T, labels:Tlabels) -> (loss:T, backprop:T); T:type{float16 bfloat16 float32 float64}; Tlabels:type{int32 int64}
SparseSparseMaximum(a_indices:int64, a_values:T, a_shape:int64, b_indices:int64, b_values:T, b_shape:int64) -> (output_indices:int64, output_values:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
SparseSparseMinimum(a_indices:int64, a_values:T, a_shape:int64, b_indices:int64, b_values:T, b_shape:int64) -> (output_indices:int64, output_values:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}
SparseSplit(split_dim:int64, indices:int64, values:T, shape:int64) -> (output_indices:num_split*int64, output_values:num_split*T, output_shape:num_split*int64); num_split:int>=1; T:type
SparseTensorDenseAdd(a_indices:Tindices, a_values:T, a_shape:Tindices, b:T) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}
SparseTensorDenseMatMul(a_indices:Tindices, a_values:T, a_shape:int64, b:T) -> (product:T); T:type; Tindices:type{int32 int64}; adjoint_a:bool; adjoint_b:bool
SparseTensorSliceDataset(indices:int64, values:Tvalues, dense_shape:int64) -> (handle:variant); Tvalues:type
SparseToDense(sparse_indices:Tindices, output_shape:Tindices, sparse_values:T, default_value:T) -> (dense:T); validate_indices:bool; T:type; Tindices:type{int32 int64}
SparseToSparseSetOperation(set1_indices:int64, set1_values:T, set1_shape:int64, set2_indices:int64, set2_values:T, set2_shape:int64) -> (result_indices:int64, result_values:T, result_shape:int64); set_operation:string; validate_indices:bool; T:type{int8 int16 int32 int64 uint8 uint16 string}
Spence(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64}
Split(split_dim:int32, value:T) -> (output:num_split*T); num_split:int>=1; T:type
SplitV(value:T, size_splits:Tlen, split_dim:int32) -> (output:num_split*T); num_split:int>=1; T:type; Tlen:type{int8 int32 int64}
Sqrt(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
SqrtGrad(y:T, dy:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Square(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128}
SquaredDifference(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 int32 int64 complex64 complex128}
Squeeze(input:T) -> (output:T); T:type; squeeze_dims:list(int)>=0
StatefulPartitionedCall(args:[Tin]) -> (output:[Tout]); Tin:list(type)>=0; Tout:list(type)>=0; f:func; config:string; config_proto:string; executor_type:string
StatefulStandardNormal(resource:resource, shape:shape_dtype) -> (output:dtype); dtype:type; shape_dtype:type
StatefulStandardNormalV2(resource:resource, algorithm:int64, shape:shape_dtype) -> (output:dtype); dtype:type; shape_dtype:type
StatefulTruncatedNormal(resource:resource, algorithm:int64, shape:shape_dtype) -> (output:dtype); dtype:type; shape_dtype:type
StatefulUniform(resource:resource, algorithm:int64, shape:shape_dtype) -> (output:dtype); dtype:type; shape_dtype:type
StatefulUniformFullInt(resource:resource, algorithm:int64, shape:shape_dtype) -> (output:dtype); dtype:type; shape_dtype:type
StatefulUniformInt(resource:resource, algorithm:int64, shape:shape_dtype, minval:dtype, maxval:dtype) -> (output:dtype); dtype:type; shape_dtype:type
StatelessCase(branch_index:int32, input:[Tin]) -> (output:[Tout]); Tin:list(type)>=0; Tout:list(type)>=0; branches:list(func)>=1; output_shapes:list(shape)
StatelessIf(cond:Tcond, input:[Tin]) -> (output:[Tout]); Tcond:type; Tin:list(type)>=0; Tout:list(type)>=0; then_branch:func; else_branch:func; output_shapes:list(shape)
StatelessMultinomial(logits:T, num_samples:int32, seed:Tseed) -> (output:output_dtype); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tseed:type{int32 int64}; output_dtype:type{int32 int64}
StatelessParameterizedTruncatedNormal(shape:S, seed:Tseed, means:dtype, stddevs:dtype, minvals:dtype, maxvals:dtype) -> (output:dtype); S:type{int32 int64}; Tseed:type{int32 int64}; dtype:type{float16 float32 float64}
StatelessRandomGammaV2(shape:T, seed:Tseed, alpha:dtype) -> (output:dtype); dtype:type{float16 float32 float64}; T:type{int32 int64}; Tseed:type{int32 int64}
StatelessRandomGammaV3(shape:shape_dtype, key:uint64, counter:uint64, alg:int32, alpha:dtype) -> (output:dtype); dtype:type{float16 float32 float64}; shape_dtype:type{int32 int64}
StatelessRandomGetAlg() -> (alg:int32)
StatelessRandomGetKeyCounter(seed:Tseed) -> (key:uint64, counter:uint64); Tseed:type{int32 int64}
StatelessRandomGetKeyCounterAlg(seed:Tseed) -> (key:uint64, counter:uint64, alg:int32); Tseed:type{int32 int64}
StatelessRandomNormal(shape:T, seed:Tseed) -> (output:dtype); dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}; Tseed:type{int32 int64}
StatelessRandomNormalV2(shape:Tshape, key:uint64, counter:uint64, alg:int32) -> (output:dtype); dtype:type{float16 bfloat16 float32 float64}; Tshape:type{int32 int64}
StatelessRandomPoisson(shape:T, seed:Tseed, lam:Rtype) -> (output:dtype); Rtype:type{float16 float32 float64 int32 int64}; dtype:type{float16 float32 float64 int32 int64}; T:type{int32 int64}; Tseed:type{int32 int64}
StatelessRandomUniform(shape:T, seed:Tseed) -> (output:dtype); dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}; Tseed:type{int32 int64}
StatelessRandomUniformFullInt(shape:T, seed:Tseed) -> (output:dtype); dtype:type{int32 int64 uint32 uint64}; T:type{int32 int64}; Tseed:type{int32 int64 uint32 uint64}
StatelessRandomUniformFullIntV2(shape:Tshape, key:uint64, counter:uint64, alg:int32) -> (output:dtype); dtype:type{int32 int64 uint32 uint64}; Tshape:type{int32 int64}
StatelessRandomUniformInt(shape:T, seed:Tseed, minval:dtype, maxval:dtype) -> (output:dtype); dtype:type{int32 int64}; T:type{int32 int64}; Tseed:type{int32 int64}
StatelessRandomUniformIntV2(shape:Tshape, key:uint64, counter:uint64, alg:int32, minval:dtype, maxval:dtype) -> (output:dtype); dtype:type{int32 int64 uint32 uint64}; Tshape:type{int32 int64}
StatelessRandomUniformV2(shape:Tshape, key:uint64, counter:uint64, alg:int32) -> (output:dtype); dtype:type{float16 bfloat16 float32 float64}; Tshape:type{int32 int64}
StatelessShuffle(value:T, key:uint64, counter:uint64, alg:int32) -> (output:T); T:type
StatelessTruncatedNormal(shape:T, seed:Tseed) -> (output:dtype); dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}; Tseed:type{int32 int64}
StatelessTruncatedNormalV2(shape:Tshape, key:uint64, counter:uint64, alg:int32) -> (output:dtype); dtype:type{float16 bfloat16 float32 float64}; Tshape:type{int32 int64}
StatelessWhile(input:[T]) -> (output:[T]); T:list(type)>=0; cond:func; body:func; output_shapes:list(shape); parallel_iterations:int
StaticRegexFullMatch(input:string) -> (output:bool); pattern:string
StaticRegexReplace(input:string) -> (output:string); pattern:string; rewrite:string; replace_global:bool
StopGradient(input:T) -> (output:T); T:type
StridedSlice(input:T, begin:Index, end:Index, strides:Index) -> (output:T); T:type; Index:type{int16 int32 int64}; begin_mask:int; end_mask:int; ellipsis_mask:int; new_axis_mask:int; shrink_axis_mask:int
StridedSliceGrad(shape:Index, begin:Index, end:Index, strides:Index, dy:T) -> (output:T); T:type; Index:type{int32 int64}; begin_mask:int; end_mask:int; ellipsis_mask:int; new_axis_mask:int; shrink_axis_mask:int
StringFormat(inputs:[T]) -> (output:string); T:list(type)>=0; template:string; placeholder:string; summarize:int
StringJoin(inputs:N*string) -> (output:string); N:int>=0; separator:string
StringLength(input:string) -> (output:int32); unit:string{'BYTE' 'UTF8_CHAR'}
StringLower(input:string) -> (output:string); encoding:string
StringNGrams(data:string, data_splits:Tsplits) -> (ngrams:string, ngrams_splits:Tsplits); separator:string; ngram_widths:list(int)>=0; left_pad:string; right_pad:string; pad_width:int; preserve_short_sequences:bool; Tsplits:type{int32 int64}
StringSplit(input:string, delimiter:string) -> (indices:int64, values:string, shape:int64); skip_empty:bool
StringSplitV2(input:string, sep:string) -> (indices:int64, values:string, shape:int64); maxsplit:int
StringStrip(input:string) -> (output:string)
StringToHashBucket(string_tensor:string) -> (output:int64); num_buckets:int>=1
StringToHashBucketFast(input:string) -> (output:int64); num_buckets:int>=1
StringToHashBucketStrong(input:string) -> (output:int64); num_buckets:int>=1; key:list(int)
StringToNumber(string_tensor:string) -> (output:out_type); out_type:type{float32 float64 int32 int64}
StringUpper(input:string) -> (output:string); encoding:string
Sub(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 uint16 int16 int32 int64 complex64 complex128 uint32 uint64}
Substr(input:string, pos:T, len:T) -> (output:string); T:type{int32 int64}; unit:string{'BYTE' 'UTF8_CHAR'}
Sum(input:T, reduction_indices:Tidx) -> (output:T); keep_dims:bool; T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tidx:type{int32 int64}
TakeDataset(input_dataset:variant, count:int64) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
TakeWhileDataset(input_dataset:variant, other_arguments:[Targuments]) -> (handle:variant); predicate:func; Targuments:list(type)>=0; output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Tan(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
Tanh(x:T) -> (y:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
TanhGrad(y:T, dy:T) -> (z:T); T:type{bfloat16 float16 float32 float64 complex64 complex128}
TensorDataset(components:[Toutput_types]) -> (handle:variant); Toutput_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
TensorListConcat(input_handle:variant) -> (tensor:element_dtype, lengths:int64); element_dtype:type; element_shape:shape
TensorListConcatLists(input_a:variant, input_b:variant) -> (output:variant); element_dtype:type
TensorListConcatV2(input_handle:variant, element_shape:shape_type, leading_dims:int64) -> (tensor:element_dtype, lengths:int64); element_dtype:type; shape_type:type{int32 int64}
TensorListElementShape(input_handle:variant) -> (element_shape:shape_type); shape_type:type{int32 int64}
TensorListFromTensor(tensor:element_dtype, element_shape:shape_type) -> (output_handle:variant); element_dtype:type; shape_type:type{int32 int64}
TensorListGather(input_handle:variant, indices:int32, element_shape:int32) -> (values:element_dtype); element_dtype:type
TensorListGetItem(input_handle:variant, index:int32, element_shape:int32) -> (item:element_dtype); element_dtype:type
TensorListLength(input_handle:variant) -> (length:int32)
TensorListPopBack(input_handle:variant, element_shape:int32) -> (output_handle:variant, tensor:element_dtype); element_dtype:type
TensorListPushBack(input_handle:variant, tensor:element_dtype) -> (output_handle:variant); element_dtype:type
TensorListPushBackBatch(input_handles:variant, tensor:element_dtype) -> (output_handles:variant); element_dtype:type
TensorListReserve(element_shape:shape_type, num_elements:int32) -> (handle:variant); element_dtype:type; shape_type:type{int32 int64}
TensorListResize(input_handle:variant, size:int32) -> (output_handle:variant)
TensorListScatter(tensor:element_dtype, indices:int32, element_shape:shape_type) -> (output_handle:variant); element_dtype:type; shape_type:type{int32 int64}
TensorListScatterV2(tensor:element_dtype, indices:int32, element_shape:shape_type, num_elements:int32) -> (output_handle:variant); element_dtype:type; shape_type:type{int32 int64}
TensorListSetItem(input_handle:variant, index:int32, item:element_dtype) -> (output_handle:variant); element_dtype:type; resize_if_index_out_of_bounds:bool
TensorListSplit(tensor:element_dtype, element_shape:shape_type, lengths:int64) -> (output_handle:variant); element_dtype:type; shape_type:type{int32 int64}
TensorListStack(input_handle:variant, element_shape:int32) -> (tensor:element_dtype); element_dtype:type; num_elements:int
TensorScatterAdd(tensor:T, indices:Tindices, updates:T) -> (output:T); T:type; Tindices:type{int32 int64}
TensorScatterMax(tensor:T, indices:Tindices, updates:T) -> (output:T); T:type; Tindices:type{int32 int64}
TensorScatterMin(tensor:T, indices:Tindices, updates:T) -> (output:T); T:type; Tindices:type{int32 int64}
TensorScatterSub(tensor:T, indices:Tindices, updates:T) -> (output:T); T:type; Tindices:type{int32 int64}
TensorScatterUpdate(tensor:T, indices:Tindices, updates:T) -> (output:T); T:type; Tindices:type{int16 int32 int64 uint16}
TensorSliceDataset(components:[Toutput_types]) -> (handle:variant); Toutput_types:list(type)>=1; output_shapes:list(shape)>=1; is_files:bool; metadata:string; replicate_on_split:bool
TensorStridedSliceUpdate(input:T, begin:Index, end:Index, strides:Index, value:T) -> (output:T); T:type; Index:type{int32 int64}; begin_mask:int; end_mask:int; ellipsis_mask:int; new_axis_mask:int; shrink_axis_mask:int
Tile(input:T, multiples:Tmultiples) -> (output:T); T:type; Tmultiples:type{int32 int64}
TileGrad(input:T, multiples:int32) -> (output:T); T:type
Timestamp() -> (ts:float64)
ToBool(input:T) -> (output:bool); T:type
TopK(input:T) -> (values:T, indices:int32); k:int>=0; sorted:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}
TopKV2(input:T, k:Tk) -> (values:T, indices:index_type); sorted:bool; T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tk:type{int16 int32 int64}; index_type:type{int16 int32 int64}
Transpose(x:T, perm:Tperm) -> (y:T); T:type; Tperm:type{int32 int64}
TridiagonalMatMul(superdiag:T, maindiag:T, subdiag:T, rhs:T) -> (output:T); T:type{float64 float32 complex64 complex128}
TridiagonalSolve(diagonals:T, rhs:T) -> (output:T); partial_pivoting:bool; perturb_singular:bool; T:type{float64 float32 complex64 complex128}
TruncateDiv(x:T, y:T) -> (z:T); T:type{bfloat16 float16 float32 float64 uint8 int8 uint16 int16 int32 uint32 uint64 int64 complex64 complex128}
TruncateMod(x:T, y:T) -> (z:T); T:type{int32 int64 bfloat16 float16 float32 float64}
TruncatedNormal(shape:T) -> (output:dtype); seed:int; seed2:int; dtype:type{float16 bfloat16 float32 float64}; T:type{int32 int64}
UnbatchDataset(input_dataset:variant) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
UnicodeDecode(input:string) -> (row_splits:Tsplits, char_values:int32); input_encoding:string; errors:string{'strict' 'replace' 'ignore'}; replacement_char:int; replace_control_characters:bool; Tsplits:type{int32 int64}
UnicodeDecodeWithOffsets(input:string) -> (row_splits:Tsplits, char_values:int32, char_to_byte_starts:int64); input_encoding:string; errors:string{'strict' 'replace' 'ignore'}; replacement_char:int; replace_control_characters:bool; Tsplits:type{int32 int64}
UnicodeScript(input:int32) -> (output:int32)
UnicodeTranscode(input:string) -> (output:string); input_encoding:string; output_encoding:string{'UTF-8' 'UTF-16-BE' 'UTF-32-BE'}; errors:string{'strict' 'replace' 'ignore'}; replacement_char:int; replace_control_characters:bool
UniformCandidateSampler(true_classes:int64) -> (sampled_candidates:int64, true_expected_count:float32, sampled_expected_count:float32); num_true:int>=1; num_sampled:int>=1; unique:bool; range_max:int>=1; seed:int; seed2:int
Unique(x:T) -> (y:T, idx:out_idx); T:type; out_idx:type{int32 int64}
UniqueDataset(input_dataset:variant) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
UniqueV2(x:T, axis:Taxis) -> (y:T, idx:out_idx); T:type; Taxis:type{int32 int64}; out_idx:type{int32 int64}
UniqueWithCounts(x:T) -> (y:T, idx:out_idx, count:out_idx); T:type; out_idx:type{int32 int64}
UniqueWithCountsV2(x:T, axis:Taxis) -> (y:T, idx:out_idx, count:out_idx); T:type; Taxis:type{int32 int64}; out_idx:type{int32 int64}
Unpack(value:T) -> (output:num*T); num:int>=0; T:type; axis:int
UnravelIndex(indices:Tidx, dims:Tidx) -> (output:Tidx); Tidx:type{int32 int64}
UnsortedSegmentJoin(inputs:string, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:string); separator:string; Tindices:type{int32 int64}; Tnumsegments:type{int32 int64}
UnsortedSegmentMax(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tindices:type{int32 int64}; Tnumsegments:type{int32 int64}
UnsortedSegmentMin(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 int64 bfloat16 uint16 float16 uint32 uint64}; Tindices:type{int32 int64}; Tnumsegments:type{int32 int64}
UnsortedSegmentProd(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int32 int64}; Tnumsegments:type{int32 int64}
UnsortedSegmentSum(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64}; Tindices:type{int16 int32 int64}; Tnumsegments:type{int32 int64}
UpperBound(sorted_inputs:T, values:T) -> (output:out_type); T:type; out_type:type{int32 int64}
VarHandleOp() -> (resource:resource); container:string; shared_name:string; dtype:type; shape:shape; allowed_devices:list(string)
VarIsInitializedOp(resource:resource) -> (is_initialized:bool)
VariableShape(input:resource) -> (output:out_type); out_type:type{int32 int64}
Where(input:T) -> (index:int64); T:type{float32 float64 int32 uint8 int16 int8 complex64 int64 qint8 quint8 qint32 bfloat16 qint16 quint16 uint16 complex128 float16 uint32 uint64 bool}
While(input:[T]) -> (output:[T]); T:list(type)>=0; cond:func; body:func; output_shapes:list(shape); parallel_iterations:int
WindowDataset(input_dataset:variant, size:int64, shift:int64, stride:int64, drop_remainder:bool) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; metadata:string
Xdivy(x:T, y:T) -> (z:T); T:type{float16 bfloat16 float32 float64 complex64 complex128}
Xlog1py(x:T, y:T) -> (z:T); T:type{float16 bfloat16 float32 float64 complex64 complex128}
Xlogy(x:T, y:T) -> (z:T); T:type{float16 bfloat16 float32 float64 complex64 complex128}
ZerosLike(x:T) -> (y:T); T:type
Zeta(x:T, q:T) -> (z:T); T:type{float32 float64}
ZipDataset(input_datasets:N*variant) -> (handle:variant); output_types:list(type)>=1; output_shapes:list(shape)>=1; N:int>=1; metadata:string
"""

STATEFUL = """
AnonymousHashTable
AnonymousIterator
AnonymousIteratorV2
AnonymousIteratorV3
AnonymousMutableDenseHashTable
AnonymousMutableHashTable
AnonymousMutableHashTableOfTensors
AnonymousRandomSeedGenerator
AnonymousSeedGenerator
Assert
AssignAddVariableOp
AssignSubVariableOp
AssignVariableOp
Case
CheckNumerics
CheckNumericsV2
DatasetToSingleElement
DeleteIterator
DeleteRandomSeedGenerator
DeleteSeedGenerator
DestroyResourceOp
DisableCopyOnRead
DummyIterationCounter
DummySeedGenerator
Empty
GroupByReducerDataset
HashTableV2
If
InitializeTableV2
IteratorGetNext
IteratorGetNextAsOptional
IteratorGetNextSync
LogUniformCandidateSampler
LookupTableExportV2
LookupTableFindV2
LookupTableImportV2
LookupTableInsertV2
LookupTableRemoveV2
LookupTableSizeV2
MakeIterator
Multinomial
MutableDenseHashTableV2
MutableHashTableOfTensorsV2
MutableHashTableV2
NonDeterministicInts
ParameterizedTruncatedNormal
RandomDataset
RandomDatasetV2
RandomGamma
RandomPoisson
RandomPoissonV2
RandomShuffle
RandomStandardNormal
RandomUniform
RandomUniformInt
RangeDataset
ReadVariableOp
ReduceDataset
ResourceApplyAdaMax
ResourceApplyAdagrad
ResourceApplyAdagradDA
ResourceApplyAdagradV2
ResourceApplyAdam
ResourceApplyAddSign
ResourceApplyCenteredRMSProp
ResourceApplyFtrl
ResourceApplyFtrlV2
ResourceApplyGradientDescent
ResourceApplyKerasMomentum
ResourceApplyMomentum
ResourceApplyPowerSign
ResourceApplyProximalAdagrad
ResourceApplyProximalGradientDescent
ResourceApplyRMSProp
ResourceGather
ResourceGatherNd
ResourceSparseApplyAdadelta
ResourceSparseApplyAdagrad
ResourceSparseApplyAdagradDA
ResourceSparseApplyAdagradV2
ResourceSparseApplyCenteredRMSProp
ResourceSparseApplyFtrl
ResourceSparseApplyFtrlV2
ResourceSparseApplyKerasMomentum
ResourceSparseApplyMomentum
ResourceSparseApplyProximalAdagrad
ResourceSparseApplyProximalGradientDescent
ResourceSparseApplyRMSProp
ResourceStridedSliceAssign
RngSkip
ShuffleAndRepeatDatasetV2
ShuffleDatasetV2
ShuffleDatasetV3
SparseTensorSliceDataset
StatefulPartitionedCall
StatefulStandardNormal
StatefulStandardNormalV2
StatefulTruncatedNormal
StatefulUniform
StatefulUniformFullInt
StatefulUniformInt
StatelessRandomGetAlg
TensorDataset
TensorSliceDataset
Timestamp
TruncatedNormal
UniformCandidateSampler
VarHandleOp
VarIsInitializedOp
VariableShape
While
"""
