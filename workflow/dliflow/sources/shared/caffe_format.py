"""Caffe's two files as protocol buffers: what its public description, caffe.proto, tells of networks for inference.

They are decoded by protobuf and by this table, so nothing in them is run. A text with a field that is not here is
refused, since what it means is not known; in a binary file protobuf passes over such fields. Permute, ShuffleChannel
and `ceil_mode` are of widespread forks, which give them different numbers: here they are for texts alone.
"""

from __future__ import annotations

import functools
from typing import Any

PACKAGE = "caffe"

# For each message: type, name and number of its fields, as in caffe.proto; * is repeated, a type with a dot an enum of
# the message. What is packed floats in a blob is declared as the bytes that it is, which needs no copy of each number.
MESSAGES = """
BlobShape: int64* dim 1
BlobProto: BlobShape shape 7, bytes data 5, bytes double_data 8, int32 num 1, int32 channels 2, int32 height 3,
    int32 width 4
NetParameter: string name 1, string* input 3, BlobShape* input_shape 8, int32* input_dim 4, bool force_backward 5,
    NetState state 6, bool debug_info 7, LayerParameter* layer 100, V1LayerParameter* layers 2
NetState: Phase phase 1, int32 level 2, string* stage 3
NetStateRule: Phase phase 1, int32 min_level 2, int32 max_level 3, string* stage 4, string* not_stage 5
ParamSpec: string name 1, ParamSpec.DimCheckMode share_mode 2, float lr_mult 3, float decay_mult 4
LayerParameter: string name 1, string type 2, string* bottom 3, string* top 4, Phase phase 10, float* loss_weight 5,
    ParamSpec* param 6, BlobProto* blobs 7, bool* propagate_down 11, NetStateRule* include 8, NetStateRule* exclude 9,
    TransformationParameter transform_param 100, LossParameter loss_param 101, AccuracyParameter accuracy_param 102,
    BatchNormParameter batch_norm_param 139, ConcatParameter concat_param 104,
    ConvolutionParameter convolution_param 106, DataParameter data_param 107, DropoutParameter dropout_param 108,
    DummyDataParameter dummy_data_param 109, EltwiseParameter eltwise_param 110, ELUParameter elu_param 140,
    FlattenParameter flatten_param 135, HDF5DataParameter hdf5_data_param 112,
    ImageDataParameter image_data_param 115, InnerProductParameter inner_product_param 117,
    InputParameter input_param 143, LRNParameter lrn_param 118, MemoryDataParameter memory_data_param 119,
    PoolingParameter pooling_param 121, PowerParameter power_param 122, PReLUParameter prelu_param 131,
    ReLUParameter relu_param 123, ReshapeParameter reshape_param 133, ScaleParameter scale_param 142,
    SigmoidParameter sigmoid_param 124, SoftmaxParameter softmax_param 125, SliceParameter slice_param 126,
    TanHParameter tanh_param 127, WindowDataParameter window_data_param 129, PermuteParameter permute_param 202,
    ShuffleChannelParameter shuffle_channel_param 203
V1LayerParameter: string* bottom 2, string* top 3, string name 4, NetStateRule* include 32, NetStateRule* exclude 33,
    V1LayerParameter.LayerType type 5, BlobProto* blobs 6, string* param 1001,
    V1LayerParameter.DimCheckMode* blob_share_mode 1002, float* blobs_lr 7, float* weight_decay 8,
    float* loss_weight 35, AccuracyParameter accuracy_param 27, ConcatParameter concat_param 9,
    ConvolutionParameter convolution_param 10, DataParameter data_param 11, DropoutParameter dropout_param 12,
    DummyDataParameter dummy_data_param 26,
    EltwiseParameter eltwise_param 24, HDF5DataParameter hdf5_data_param 13, ImageDataParameter image_data_param 15,
    InnerProductParameter inner_product_param 17, LRNParameter lrn_param 18, MemoryDataParameter memory_data_param 22,
    PoolingParameter pooling_param 19, PowerParameter power_param 21, ReLUParameter relu_param 30,
    SigmoidParameter sigmoid_param 38, SoftmaxParameter softmax_param 39, SliceParameter slice_param 31,
    TanHParameter tanh_param 37, WindowDataParameter window_data_param 20, TransformationParameter transform_param 36,
    LossParameter loss_param 42, V0LayerParameter layer 1
V0LayerParameter: string name 1, string type 2
FillerParameter: string type 1, float value 2, float min 3, float max 4, float mean 5, float std 6, int32 sparse 7,
    FillerParameter.VarianceNorm variance_norm 8
TransformationParameter: float scale 1, bool mirror 2, uint32 crop_size 3, string mean_file 4, float* mean_value 5,
    bool force_color 6, bool force_gray 7
LossParameter: int32 ignore_label 1, LossParameter.NormalizationMode normalization 3, bool normalize 2
AccuracyParameter: uint32 top_k 1, int32 axis 2, int32 ignore_label 3
DataParameter: string source 1, uint32 batch_size 4, uint32 rand_skip 7, DataParameter.DB backend 8, float scale 2,
    string mean_file 3, uint32 crop_size 5, bool mirror 6, bool force_encoded_color 9, uint32 prefetch 10
DummyDataParameter: FillerParameter* data_filler 1, BlobShape* shape 6, uint32* num 2, uint32* channels 3,
    uint32* height 4, uint32* width 5
HDF5DataParameter: string source 1, uint32 batch_size 2, bool shuffle 3
ImageDataParameter: string source 1, uint32 batch_size 4, uint32 rand_skip 7, bool shuffle 8, uint32 new_height 9,
    uint32 new_width 10, bool is_color 11, float scale 2, string mean_file 3, uint32 crop_size 5, bool mirror 6,
    string root_folder 12
MemoryDataParameter: uint32 batch_size 1, uint32 channels 2, uint32 height 3, uint32 width 4
WindowDataParameter: string source 1, float scale 2, string mean_file 3, uint32 batch_size 4, uint32 crop_size 5,
    bool mirror 6, float fg_threshold 7, float bg_threshold 8, float fg_fraction 9, uint32 context_pad 10,
    string crop_mode 11, bool cache_images 12, string root_folder 13
InputParameter: BlobShape* shape 1
BatchNormParameter: bool use_global_stats 1, float moving_average_fraction 2, float eps 3
ConcatParameter: int32 axis 2, uint32 concat_dim 1
ConvolutionParameter: uint32 num_output 1, bool bias_term 2, uint32* pad 3, uint32* kernel_size 4, uint32* stride 6,
    uint32* dilation 18, uint32 pad_h 9, uint32 pad_w 10, uint32 kernel_h 11, uint32 kernel_w 12, uint32 stride_h 13,
    uint32 stride_w 14, uint32 group 5, FillerParameter weight_filler 7, FillerParameter bias_filler 8,
    Engine engine 15, int32 axis 16, bool force_nd_im2col 17
DropoutParameter: float dropout_ratio 1
EltwiseParameter: EltwiseParameter.EltwiseOp operation 1, float* coeff 2, bool stable_prod_grad 3
ELUParameter: float alpha 1
FlattenParameter: int32 axis 1, int32 end_axis 2
InnerProductParameter: uint32 num_output 1, bool bias_term 2, FillerParameter weight_filler 3,
    FillerParameter bias_filler 4, int32 axis 5, bool transpose 6
LRNParameter: uint32 local_size 1, float alpha 2, float beta 3, LRNParameter.NormRegion norm_region 4, float k 5,
    Engine engine 6
PoolingParameter: PoolingParameter.PoolMethod pool 1, uint32 pad 4, uint32 pad_h 9, uint32 pad_w 10,
    uint32 kernel_size 2, uint32 kernel_h 5, uint32 kernel_w 6, uint32 stride 3, uint32 stride_h 7, uint32 stride_w 8,
    Engine engine 11, bool global_pooling 12, PoolingParameter.RoundMode round_mode 13, bool ceil_mode 200
PowerParameter: float power 1, float scale 2, float shift 3
PReLUParameter: FillerParameter filler 1, bool channel_shared 2
ReLUParameter: float negative_slope 1, Engine engine 2
ReshapeParameter: BlobShape shape 1, int32 axis 2, int32 num_axes 3
ScaleParameter: int32 axis 1, int32 num_axes 2, FillerParameter filler 3, bool bias_term 4,
    FillerParameter bias_filler 5
SigmoidParameter: Engine engine 1
SoftmaxParameter: Engine engine 1, int32 axis 2
SliceParameter: int32 axis 3, uint32* slice_point 2, uint32 slice_dim 1
TanHParameter: Engine engine 1
PermuteParameter: uint32* order 1
ShuffleChannelParameter: uint32 group 1
"""

ENUMS = """
Phase: TRAIN 0, TEST 1
Engine: DEFAULT 0, CAFFE 1, CUDNN 2
ParamSpec.DimCheckMode: STRICT 0, PERMISSIVE 1
FillerParameter.VarianceNorm: FAN_IN 0, FAN_OUT 1, AVERAGE 2
LossParameter.NormalizationMode: FULL 0, VALID 1, BATCH_SIZE 2, NONE 3
DataParameter.DB: LEVELDB 0, LMDB 1
EltwiseParameter.EltwiseOp: PROD 0, SUM 1, MAX 2
LRNParameter.NormRegion: ACROSS_CHANNELS 0, WITHIN_CHANNEL 1
PoolingParameter.PoolMethod: MAX 0, AVE 1, STOCHASTIC 2
PoolingParameter.RoundMode: CEIL 0, FLOOR 1
V1LayerParameter.DimCheckMode: STRICT 0, PERMISSIVE 1
V1LayerParameter.LayerType: NONE 0, ABSVAL 35, ACCURACY 1, ARGMAX 30, BNLL 2, CONCAT 3, CONTRASTIVE_LOSS 37,
    CONVOLUTION 4, DATA 5, DECONVOLUTION 39, DROPOUT 6, DUMMY_DATA 32, EUCLIDEAN_LOSS 7, ELTWISE 25, EXP 38, FLATTEN 8,
    HDF5_DATA 9, HDF5_OUTPUT 10, HINGE_LOSS 28, IM2COL 11, IMAGE_DATA 12, INFOGAIN_LOSS 13, INNER_PRODUCT 14, LRN 15,
    MEMORY_DATA 29, MULTINOMIAL_LOGISTIC_LOSS 16, MVN 34, POOLING 17, POWER 26, RELU 18, SIGMOID 19,
    SIGMOID_CROSS_ENTROPY_LOSS 27, SILENCE 36, SOFTMAX 20, SOFTMAX_LOSS 21, SPLIT 22, SLICE 33, TANH 23, WINDOW_DATA 24,
    THRESHOLD 31
"""

# Defaults of caffe.proto that are not protobuf's own (0, false, the first value of an enum).
DEFAULTS = {
    "BatchNormParameter": {"eps": "1e-5"},
    "ConcatParameter": {"axis": "1", "concat_dim": "1"},
    "ConvolutionParameter": {"bias_term": "true", "group": "1", "axis": "1"},
    "EltwiseParameter": {"operation": "SUM"},
    "ELUParameter": {"alpha": "1"},
    "FlattenParameter": {"axis": "1", "end_axis": "-1"},
    "InnerProductParameter": {"bias_term": "true", "axis": "1"},
    "LRNParameter": {"local_size": "5", "alpha": "1", "beta": "0.75", "k": "1"},
    "PoolingParameter": {"stride": "1", "ceil_mode": "true"},
    "PowerParameter": {"power": "1", "scale": "1"},
    "ReshapeParameter": {"num_axes": "-1"},
    "ScaleParameter": {"axis": "1", "num_axes": "1"},
    "ShuffleChannelParameter": {"group": "1"},
    "SliceParameter": {"axis": "1", "slice_dim": "1"},
    "SoftmaxParameter": {"axis": "1"},
}
SCALARS = ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes", "uint32")


def _entries(table: str) -> dict[str, list[list[str]]]:
    """`{name: [words of each entry]}` of a table, whose entries may go on in lines that are indented."""
    rows = (line.split(":", 1) for line in table.replace("\n    ", " ").splitlines() if line)
    return {name: [entry.split() for entry in entries.split(",")] for name, entries in rows}


def _describe_enum(described: Any, name: str, values: list[list[str]]) -> None:
    described.name = name
    for value, number in values:
        described.value.add(name=value, number=int(number))


@functools.cache
def _classes() -> dict[str, Any]:
    """The classes of messages, by their names, in a pool of their own."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package=PACKAGE, syntax="proto2")
    messages, enums = _entries(MESSAGES), _entries(ENUMS)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for written, field_name, number in fields:
            kind = written.rstrip("*")
            label = kinds.LABEL_REPEATED if written.endswith("*") else kinds.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=int(number), label=label)
            if kind in SCALARS:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
            else:
                field.type = kinds.TYPE_ENUM if kind in enums else kinds.TYPE_MESSAGE
                field.type_name = f".{PACKAGE}.{kind}"
            if field_name in DEFAULTS.get(name, {}):
                field.default_value = DEFAULTS[name][field_name]
        for enum in [enum for enum in enums if enum.startswith(f"{name}.")]:
            _describe_enum(message.enum_type.add(), enum.partition(".")[2], enums[enum])
    for enum in [enum for enum in enums if "." not in enum]:
        _describe_enum(file.enum_type.add(), enum, enums[enum])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in messages}


def net() -> Any:
    """An empty network, `NetParameter`."""
    return _classes()["NetParameter"]()
