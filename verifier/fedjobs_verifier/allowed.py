"""The TensorFlow operations that a shard may use in a silo by default.

This is an allow list: every other operation is refused. An operation that a later TensorFlow adds is refused until it
is reviewed. The list has what the graphs of TFF's learning and analytics need, which compute on the values passed to
them. `signatures` has the inputs, the outputs and the attributes of each, and `rules` has further bounds.

These operations are not in the list:

- file access: ReadFile, WriteFile, SaveV2, RestoreV2, TextLineDataset, TFRecordDataset, MatchingFiles, SnapshotDataset,
  CacheDatasetV2 (its file name is a tensor, so a check cannot tell whether it is empty), ImmutableConst (maps a file),
  DecodeProtoV2 (reads descriptors from a path), InitializeTableFromTextFileV2;
- communication: Send, Recv, RemoteCall, Rpc*, DataServiceDataset*, Collective*, Nccl*, TPU and XLA transfers;
- Python: PyFunc, EagerPyFunc, GeneratorDataset;
- printing, debugging and information about the host: Print, PrintV2, Debug*, *Summary*, DeviceIndex;
- named state other than variables and tables: queues, stages, barriers, session handles, serialized iterators;
- decoders of images and sound: large parsers of untrusted bytes that no built-in program needs;
- reference variables and other operations that TensorFlow 2 does not create;
- TensorFlow 1's control flow (Switch, Merge, Enter, ...) and TensorArray*: a graph of If, While and lists has no cycle;
- uninitialized memory: FakeParam, ParallelConcat, ParallelDynamicStitch and BlockLSTM* can return it. RFFT*, IRFFT*,
  SparseSegment*Grad, DepthwiseConv2dNativeBackpropFilter and MatrixSolveLs return it for empty inputs, Cholesky and
  Stateless- and StatefulRandomBinomial for values that are not valid, Svd without its vectors, and FusedBatchNorm(V2)
  when it does not train. Empty is allowed if it sets zeros. DynamicStitch can return it too, and stays, because
  gradients need it: the runner guards it (`fedjobs_compute.guards`);
- kernels of TensorFlow 2.14 that read or write outside of their tensors because they
  - do not check values: DenseBincount, SparseBincount, RaggedBincount, HistogramFixedWidth, CropAndResize*,
    TensorListScatterIntoExistingList, ConjugateTranspose, RebatchDataset(V2);
  - do not compare the shapes of their inputs: RngReadAndSkip, LSTMBlockCell*, GRUBlockCell*,
    ResourceScatter*, ResourceApplyAdadelta, ResourceApplyAdamWithAmsgrad, RaggedCross, RaggedTensorToTensor,
    AvgPool3DGrad. AvgPoolGrad does not either, and stays, because gradients need it: the runner guards it too;
  - do not check the ranks of their inputs, or whether they are empty: Conv3D*, RaggedTensorToVariantGradient,
    UnicodeEncode, SparseCrossHashed, CTCLoss;
- operations that have no kernel for the CPU: AccumulateNV2, CTCLossV2, SegmentMaxV2, SegmentMinV2, SegmentProdV2 and
  SegmentSumV2;
- memory of others: InplaceUpdate, InplaceAdd and InplaceSub write into their input, which may be a constant;
- datasets and iterators that no program needs, whose elements the verifier would have to know: ListDataset, WindowOp,
  InitializeTableFromDataset, and iterators with a name in the process (IteratorV2, OneShotIterator);
- threads and thread pools of their own: PrivateThreadPoolDataset, MaxIntraOpParallelismDataset, MapAndBatchDataset, the
  older parallel datasets, and OptionsDataset, ModelDataset, OptimizeDatasetV2 and FinalizeDataset, which set them or
  rewrite the graph. The newer parallel datasets are allowed with a constant and small number of calls;
- functions that are chosen or built at run time: SymbolicGradient, For, MapDefun;
- TensorMap*: experimental, and no program needs them.

Assert and CheckNumerics are allowed although their messages can contain values. A silo only reports the kind and the
location of a failure, and keeps the text in its own log (`fedjobs_worker.runner.runs`).
"""

from __future__ import annotations

# Constants and pass-through of values.
_STRUCTURE = """
Const Identity IdentityN NoOp Placeholder PlaceholderV2 PlaceholderWithDefault StopGradient PreventGradient EnsureShape
Empty Bitcast Cast CheckNumerics CheckNumericsV2 Assert
"""

# Branches, loops and calls of the graph's functions.
_CONTROL_FLOW = """
If StatelessIf Case StatelessCase While StatelessWhile PartitionedCall StatefulPartitionedCall ToBool
"""

# Element-wise mathematics.
_MATH = """
Abs Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh BesselI0 BesselI0e BesselI1 BesselI1e
Betainc BitwiseAnd BitwiseOr BitwiseXor Bucketize Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Digamma Div
DivNoNan Equal Erf Erfc Erfinv Exp Expint Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Igamma IgammaGradA Igammac
Imag Inv InvGrad Invert IsFinite IsInf IsNan LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr
Maximum Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma PopulationCount Pow Real RealDiv Reciprocal
ReciprocalGrad RightShift Rint Round Rsqrt RsqrtGrad Select SelectV2 Sigmoid SigmoidGrad Sign Sin Sinh Spence Sqrt
SqrtGrad Square SquaredDifference Sub Tan Tanh TanhGrad TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
"""

# Reductions, scans, segments, counting.
_REDUCTIONS = """
All Any ArgMax ArgMin Bincount Cumprod Cumsum CumulativeLogsumexp EuclideanNorm L2Loss Max Mean Min Prod SegmentMax
SegmentMean SegmentMin SegmentProd SegmentSum Sum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
UnsortedSegmentSum
"""

# Shapes, slices, gathering, sorting, sets.
_ARRAYS = """
BatchToSpace BatchToSpaceND BroadcastArgs BroadcastGradientArgs BroadcastTo Concat ConcatOffset ConcatV2
DenseToDenseSetOperation DepthToSpace Diag DiagPart DynamicPartition DynamicStitch ExpandDims Fill Gather GatherNd
GatherV2 InTopK InTopKV2 InvertPermutation KthOrderStatistic LinSpace ListDiff LowerBound MatrixBandPart MatrixDiag
MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2
MatrixSetDiagV3 MirrorPad MirrorPadGrad NthElement OneHot OnesLike Pack Pad PadV2 Range Rank Reshape Reverse
ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd SetSize Shape ShapeN Size Slice SpaceToBatch
SpaceToBatchND SpaceToDepth Split SplitV Squeeze StridedSlice StridedSliceGrad TensorScatterAdd TensorScatterMax
TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TileGrad TopK TopKV2 Transpose
Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where ZerosLike
"""

# Linear algebra and Fourier transforms.
_LINEAR_ALGEBRA = """
BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum FFT FFT2D FFT3D IFFT IFFT2D IFFT3D LogMatrixDeterminant Lu MatMul
MatrixDeterminant MatrixExponential MatrixInverse MatrixSolve MatrixSquareRoot MatrixTriangularSolve Qr
SelfAdjointEigV2 SparseMatMul TridiagonalMatMul TridiagonalSolve BandedTriangularSolve Eig
"""

# Layers, losses and their gradients.
_NEURAL_NETWORKS = """
AvgPool AvgPool3D AvgPoolGrad BiasAdd BiasAddGrad BiasAddV1 Conv2D Conv2DBackpropFilter Conv2DBackpropInput
DataFormatDimMap DataFormatVecPermute DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput Dilation2D
Dilation2DBackpropFilter Dilation2DBackpropInput Elu EluGrad FusedBatchNormGrad FusedBatchNormGradV2
FusedBatchNormGradV3 FusedBatchNormV3 LRN LRNGrad LeakyRelu LeakyReluGrad LogSoftmax
MaxPool MaxPool3D MaxPool3DGrad MaxPool3DGradGrad MaxPoolGrad MaxPoolGradGrad MaxPoolGradV2 MaxPoolGradWithArgmax
MaxPoolV2 MaxPoolWithArgmax Relu Relu6 Relu6Grad ReluGrad Selu SeluGrad Softmax SoftmaxCrossEntropyWithLogits Softplus
SoftplusGrad Softsign SoftsignGrad SparseSoftmaxCrossEntropyWithLogits
"""

# Geometry and colours of image tensors, without decoders.
_IMAGES = """
AdjustContrastv2 AdjustHue AdjustSaturation ExtractImagePatches HSVToRGB ImageProjectiveTransformV3 RGBToHSV ResizeArea
ResizeBicubic ResizeBicubicGrad ResizeBilinear ResizeBilinearGrad ResizeNearestNeighbor ResizeNearestNeighborGrad
"""

# Quantization, for compressed aggregation.
_QUANTIZATION = """
Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxArgsGradient FakeQuantWithMinMaxVars
FakeQuantWithMinMaxVarsGradient FakeQuantWithMinMaxVarsPerChannel FakeQuantWithMinMaxVarsPerChannelGradient
QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeAndDequantizeV4Grad QuantizeV2
"""

# Sparse and ragged tensors.
_SPARSE = """
RaggedFillEmptyRows RaggedGather RaggedRange RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToVariant
SparseAdd SparseAddGrad SparseConcat SparseCross SparseCrossV2 SparseDenseCwiseAdd SparseDenseCwiseDiv
SparseDenseCwiseMul SparseFillEmptyRows SparseFillEmptyRowsGrad SparseReduceMax SparseReduceSum SparseReorder
SparseReshape SparseSegmentMean SparseSegmentMeanWithNumSegments SparseSegmentSqrtN SparseSegmentSqrtNWithNumSegments
SparseSegmentSum SparseSegmentSumWithNumSegments SparseSlice SparseSliceGrad SparseSoftmax SparseSparseMaximum
SparseSparseMinimum SparseSplit SparseTensorDenseAdd SparseTensorDenseMatMul SparseToDense SparseToSparseSetOperation
DenseToSparseSetOperation DenseCountSparseOutput SparseCountSparseOutput
"""

# Variables, which exist only in the runner's memory.
_VARIABLES = """
AssignAddVariableOp AssignSubVariableOp AssignVariableOp DestroyResourceOp DisableCopyOnRead ReadVariableOp
ResourceGather ResourceGatherNd ResourceStridedSliceAssign VarHandleOp VarIsInitializedOp VariableShape
"""

# Optimizer steps.
_OPTIMIZERS = """
ResourceApplyAdaMax ResourceApplyAdagrad ResourceApplyAdagradDA ResourceApplyAdagradV2 ResourceApplyAdam
ResourceApplyAddSign ResourceApplyCenteredRMSProp ResourceApplyFtrl ResourceApplyFtrlV2 ResourceApplyGradientDescent
ResourceApplyKerasMomentum ResourceApplyMomentum ResourceApplyPowerSign ResourceApplyProximalAdagrad
ResourceApplyProximalGradientDescent ResourceApplyRMSProp ResourceSparseApplyAdadelta ResourceSparseApplyAdagrad
ResourceSparseApplyAdagradDA ResourceSparseApplyAdagradV2 ResourceSparseApplyCenteredRMSProp ResourceSparseApplyFtrl
ResourceSparseApplyFtrlV2 ResourceSparseApplyKerasMomentum ResourceSparseApplyMomentum
ResourceSparseApplyProximalAdagrad ResourceSparseApplyProximalGradientDescent ResourceSparseApplyRMSProp
"""

# Lookup tables in memory that are initialized from tensors. The one that is initialized from a file is not in the list.
_TABLES = """
AnonymousHashTable AnonymousMutableDenseHashTable AnonymousMutableHashTable AnonymousMutableHashTableOfTensors
HashTableV2 InitializeTableV2 LookupTableExportV2 LookupTableFindV2 LookupTableImportV2
LookupTableInsertV2 LookupTableRemoveV2 LookupTableSizeV2 MutableDenseHashTableV2 MutableHashTableOfTensorsV2
MutableHashTableV2
"""

# Lists of tensors, for loops.
_LISTS = """
EmptyTensorList TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape TensorListFromTensor
TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListPushBackBatch
TensorListReserve TensorListResize TensorListScatter TensorListScatterV2 TensorListSetItem TensorListSplit
TensorListStack
"""

# Datasets that are created from tensors and transformed by the graph's functions.
_DATASETS = """
AssertCardinalityDataset BatchDataset BatchDatasetV2 ConcatenateDataset DatasetCardinality DatasetToSingleElement
DenseToSparseBatchDataset DirectedInterleaveDataset FilterDataset FlatMapDataset GetElementAtIndex
GroupByReducerDataset GroupByWindowDataset IgnoreErrorsDataset InterleaveDataset MapDataset PaddedBatchDataset
PaddedBatchDatasetV2 ParallelBatchDataset ParallelFilterDataset ParallelInterleaveDatasetV4 ParallelMapDatasetV2
PrefetchDataset RandomDataset RandomDatasetV2 RangeDataset ReduceDataset RepeatDataset SamplingDataset ScanDataset
ShardDataset ShuffleAndRepeatDataset ShuffleAndRepeatDatasetV2 ShuffleDataset ShuffleDatasetV2 ShuffleDatasetV3
SkipDataset SlidingWindowDataset SparseTensorSliceDataset TakeDataset TakeWhileDataset TensorDataset TensorSliceDataset
UnbatchDataset UniqueDataset WindowDataset ZipDataset
"""

# Dataset iterators. Iterators that another graph can refer to are not in the list.
_ITERATORS = """
AnonymousIterator AnonymousIteratorV2 AnonymousIteratorV3 DeleteIterator IteratorGetNext IteratorGetNextAsOptional
IteratorGetNextSync MakeIterator OptionalFromValue OptionalGetValue OptionalHasValue
OptionalNone DummyIterationCounter
"""

# Random numbers, with and without a seed. Timestamp is here because TFF's compression takes its seeds from the clock.
_RANDOM = """
AnonymousRandomSeedGenerator AnonymousSeedGenerator DeleteRandomSeedGenerator DeleteSeedGenerator DummySeedGenerator
Multinomial NonDeterministicInts ParameterizedTruncatedNormal RandomGamma RandomGammaGrad RandomIndexShuffle
RandomPoisson RandomPoissonV2 RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt RngSkip
StatefulStandardNormal StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt
StatefulUniformInt StatelessMultinomial StatelessParameterizedTruncatedNormal StatelessRandomGammaV2
StatelessRandomGammaV3 StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg
StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomPoisson StatelessRandomUniform
StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2 Timestamp TruncatedNormal
UniformCandidateSampler LogUniformCandidateSampler
"""

# Strings: vocabularies, n-grams and hashes, for analytics and text models.
_STRINGS = """
AsString DecodeBase64 DecodePaddedRaw DecodeRaw EditDistance EncodeBase64 Fingerprint ReduceJoin RegexFullMatch
RegexReplace StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower StringNGrams
StringSplit StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
StringUpper Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeScript UnicodeTranscode UnsortedSegmentJoin
"""

ALLOWED_OPERATIONS = frozenset(
    name
    for group in (
        _STRUCTURE,
        _CONTROL_FLOW,
        _MATH,
        _REDUCTIONS,
        _ARRAYS,
        _LINEAR_ALGEBRA,
        _NEURAL_NETWORKS,
        _IMAGES,
        _QUANTIZATION,
        _SPARSE,
        _VARIABLES,
        _OPTIMIZERS,
        _TABLES,
        _LISTS,
        _DATASETS,
        _ITERATORS,
        _RANDOM,
        _STRINGS,
    )
    for name in group.split()
)
