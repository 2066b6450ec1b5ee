"""Which operations of TensorFlow a graph from outside may hold: those that compute, and keep state in memory at most.

A graph is a program: some operations write files (`WriteFile`, `SaveV2`, `PrintV2`, `DatasetToTFRecord` ...), read
them, run Python or talk to other machines, and new ones come with each version. So what is not known is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError

_COMPUTING = """
Const Identity IdentityN NoOp Placeholder PlaceholderWithDefault PlaceholderV2 StopGradient PreventGradient
CheckNumerics CheckNumericsV2 EnsureShape Assert Snapshot ControlTrigger

Conv2D Conv2DBackpropInput Conv3D DepthwiseConv2dNative Dilation2D MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3
BiasAdd BiasAddV1 Einsum FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 BatchNormWithGlobalNormalization LRN
AvgPool AvgPool3D MaxPool MaxPoolV2 MaxPool3D MaxPoolWithArgmax FractionalAvgPool FractionalMaxPool
Relu Relu6 Elu Selu LeakyRelu Softplus Softsign Sigmoid Tanh Softmax LogSoftmax L2Loss
_FusedConv2D _FusedMatMul _FusedBatchNormEx _FusedDepthwiseConv2dNative

Add AddV2 AddN AccumulateNV2 Sub Mul Div RealDiv FloorDiv TruncateDiv DivNoNan MulNoNan Xdivy Xlogy Xlog1py Mod
FloorMod TruncateMod Pow Neg Abs Sign Square SquaredDifference Sqrt Rsqrt Inv Reciprocal Exp Expm1 Log Log1p Sin Cos
Tan Asin Acos Atan Atan2 Sinh Cosh Asinh Acosh Atanh Erf Erfc Erfinv Lgamma Digamma Igamma Igammac Floor Ceil Round
Rint Maximum Minimum ClipByValue Cumsum Cumprod CumulativeLogsumexp Cross Polygamma Zeta Betainc Ndtri NextAfter
Bucketize HistogramFixedWidth Bincount DenseBincount
Equal NotEqual ApproximateEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot IsFinite IsInf
IsNan Select SelectV2 BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift PopulationCount
Sum Mean Prod Max Min Any All ArgMax ArgMin EuclideanNorm SegmentSum SegmentMean SegmentMax SegmentMin SegmentProd
UnsortedSegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd TopK TopKV2 InTopK InTopKV2 NthElement
NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5

Reshape Squeeze ExpandDims Shape ShapeN Size Rank Transpose ConjugateTranspose InvertPermutation Concat ConcatV2
ConcatOffset Split SplitV Pack Unpack ParallelConcat ParallelStack Slice StridedSlice Gather GatherV2
GatherNd ScatterNd TensorScatterUpdate TensorScatterAdd TensorScatterSub TensorScatterMax TensorScatterMin
TensorStridedSliceUpdate Pad PadV2 MirrorPad Tile BroadcastTo BroadcastArgs BroadcastGradientArgs Fill ZerosLike
OnesLike Range LinSpace OneHot Diag DiagPart MatrixDiag MatrixDiagV2 MatrixDiagV3 MatrixDiagPart MatrixDiagPartV2
MatrixDiagPartV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixBandPart Where Unique UniqueV2
UniqueWithCounts Reverse ReverseV2 ReverseSequence Roll SpaceToBatch SpaceToBatchND BatchToSpace BatchToSpaceND
SpaceToDepth DepthToSpace ExtractImagePatches Cast Bitcast DynamicPartition DynamicStitch ParallelDynamicStitch
ListDiff SearchSorted LowerBound UpperBound SparseToDense
Cholesky MatrixInverse MatrixDeterminant MatrixSolve MatrixTriangularSolve SelfAdjointEigV2 Svd Qr
FFT FFT2D FFT3D IFFT IFFT2D RFFT RFFT2D IRFFT IRFFT2D Complex Real Imag Conj ComplexAbs Angle

ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea ScaleAndTranslate CropAndResize AdjustContrastv2
AdjustHue AdjustSaturation HSVToRGB RGBToHSV ExtractGlimpse ImageProjectiveTransformV2 ImageProjectiveTransformV3
DecodeJpeg DecodePng DecodeBmp DecodeImage DecodeRaw DecodeBase64 EncodeBase64

QuantizeV2 Quantize Dequantize QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3
QuantizeAndDequantizeV4 FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal StatelessRandomUniform
StatelessRandomUniformV2 StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomGetKeyCounter
StatelessRandomGetAlg StatelessRandomGetKeyCounterAlg

Switch RefSwitch Merge RefMerge Enter RefEnter Exit RefExit NextIteration RefNextIteration LoopCond If StatelessIf
While StatelessWhile Case StatelessCase PartitionedCall StatefulPartitionedCall
TensorListReserve TensorListSetItem TensorListGetItem TensorListStack TensorListFromTensor TensorListPushBack
TensorListPopBack TensorListLength EmptyTensorList TensorListElementShape
TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3 TensorArrayScatterV3 TensorArraySizeV3

VarHandleOp VarIsInitializedOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp
ResourceGather ResourceGatherNd DisableCopyOnRead VariableShape Variable VariableV2 Assign AssignAdd AssignSub
IsVariableInitialized
"""
COMPUTING = frozenset(_COMPUTING.split())
"""Variables are memory of the process; random numbers change no file."""

RESTORING = frozenset(["RestoreV2", "StringJoin", "ShardedFilename"])
"""What a SavedModel of TensorFlow 1 fills its variables with, in the graph itself; it reads checkpoints only."""


def refuse_others(nodes: Iterable[Any], library: Any, path: Path, allowed: frozenset[str] = COMPUTING) -> None:
    """Refuse nodes, of a file from outside, that are not known to compute only; so all functions that they call.

    Those that a function gets from its caller, in place of a placeholder, are refused, as are those of no library:
    TensorFlow makes `SymbolicGradient` of what it names by itself.

    Args:
        nodes: `NodeDef`s.
        library: the `FunctionDefLibrary` of their graph.

    Raises:
        DliflowError: naming the file and the operation.
    """
    functions = {function.signature.name: function for function in library.function}
    left, seen = list(nodes), set[str]()
    while left:
        node = left.pop()
        refused = f"{path}: refused: operation {node.op} '{node.name}'"
        if node.op not in allowed and node.op not in functions:
            raise DliflowError(
                f"{refused} reaches outside of the network, or is not known to be one that only computes"
            )
        values = list(_given(node.attr))
        for value in values:
            if value.placeholder:
                raise DliflowError(f"{refused} has its '{value.placeholder}' from whatever calls it")
        called = {function.name for value in values for function in _functions(value) if function.name}
        for name in sorted(called - functions.keys()):
            raise DliflowError(f"{refused} calls '{name}', which is no function of this file")
        for name in (called | functions.keys() & {node.op}) - seen:
            seen.add(name)
            left += functions[name].node_def


def _given(attributes: Mapping[str, Any]) -> Iterator[Any]:
    """Values of attributes; a function among them has attributes of its own, which may hold functions again."""
    for value in attributes.values():
        yield value
        for function in _functions(value):
            yield from _given(function.attr)


def _functions(value: Any) -> tuple[Any, ...]:
    return (value.func, *value.list.func)


def leading_to(graph: Any, names: Iterable[str]) -> list[Any]:
    """The nodes of a `GraphDef` that are run when these nodes, or results of theirs (`NAME:0`), are asked for."""
    nodes = {node.name: node for node in graph.node}
    left, needed = [_plain(name) for name in names], {}
    while left:
        name = left.pop()
        if name in nodes and name not in needed:
            needed[name] = nodes[name]
            left += [_plain(other) for other in nodes[name].input]
    return list(needed.values())


def _plain(name: str) -> str:
    return name.lstrip("^").partition(":")[0]
