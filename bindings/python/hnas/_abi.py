# SPDX-License-Identifier: BSD-3-Clause
"""The C interface as ctypes sees it.  Written by generate.py from the public
headers; not to be edited."""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double,
                    c_float, c_int32, c_int64, c_size_t, c_uint8, c_uint32,
                    c_uint64, c_void_p)
from typing import Any, Dict, List, Tuple

__all__ = ["FUNCTIONS", "WHOLE"]
_used = (c_char, c_float, c_uint8, c_uint32, c_uint64)

HNAS_OK = 0
HNAS_FINISHED = 1
HNAS_EXTRAPOLATED = 2
HNAS_STOPPED = 3
HNAS_END = 4
HNAS_INFEASIBLE = 5
HNAS_SKIPPED = 6
HNAS_ROLLED_BACK = 7
HNAS_E_ARG = -1
HNAS_E_SHAPE = -2
HNAS_E_RANGE = -3
HNAS_E_TYPE = -4
HNAS_E_NAME = -5
HNAS_E_STATE = -6
HNAS_E_UNSUPPORTED = -7
HNAS_E_NOMEM = -10
HNAS_E_THREAD = -11
HNAS_E_NAN = -20
HNAS_E_OP = -21
HNAS_E_STOPPED = -22
HNAS_E_IO = -30
HNAS_E_FORMAT = -31
HNAS_E_TRUNCATED = -32
HNAS_E_LIMIT = -33
HNAS_E_MISMATCH = -34
HNAS_E_COMM = -40
HNAS_VERSION_MAJOR = 0
HNAS_VERSION_MINOR = 1
HNAS_VERSION_PATCH = 0
HNAS_ABI = 0
HNAS_LOG_NONE = 0
HNAS_LOG_ERROR = 1
HNAS_LOG_WARNING = 2
HNAS_LOG_INFO = 3
HNAS_CPU_AVX2 = 1
HNAS_CPU_AVX512 = 2
HNAS_CPU_ALL = 2147483647
HNAS_GEMM_AUTO = 0
HNAS_GEMM_BUILTIN = 1
HNAS_GEMM_BLIS = 2
HNAS_MAX_RANK = 4
HNAS_FLOAT32 = 1
HNAS_FLOAT64 = 2
HNAS_INT32 = 3
HNAS_UINT8 = 4
HNAS_PARAM_WEIGHT = 1
HNAS_PARAM_ARCH = 2
HNAS_PARAM_BUFFER = 3
HNAS_TAPE_RUNNING_STATS = 1
HNAS_TAPE_NO_GRADIENT = 2
HNAS_TAPE_PLAIN = 4
HNAS_TAPE_HALF = 8
HNAS_TAPE_RANKS = 16
HNAS_MAX_TABLES = 8
HNAS_SCALE_RAW = 0
HNAS_SCALE_LOG = 1
HNAS_HYPER_LINEAR = 0
HNAS_HYPER_CONSTANT = 1
HNAS_HYPER_PIECEWISE = 2
HNAS_HYPER_MLP = 3
HNAS_HYPER_EMBEDDING = 4
HNAS_START_NORMAL = 0
HNAS_START_UNIFORM = 1
HNAS_OP_ZERO = 1
HNAS_OP_IDENTITY = 2
HNAS_OP_SHARED = 4
HNAS_CELL_HARD = 1
HNAS_CELL_DRAWN_ONLY = 2
HNAS_HEAD_PLAIN = 0
HNAS_HEAD_GENERATED = 1
HNAS_KERNELS_STORED = 0
HNAS_KERNELS_GENERATED = 1
HNAS_KERNELS_GENERATED_LAMBDA = 2
HNAS_NORMAL = 0
HNAS_REDUCE = 1
HNAS_N_KINDS = 2
HNAS_COST_PARAMS = 0
HNAS_COST_MACS = 1
HNAS_COST_BYTES = 2
HNAS_COST_TABLE = 3
HNAS_N_COSTS = 4
HNAS_RULE_ARGMAX = 0
HNAS_RULE_TOP2 = 1
HNAS_RULE_TOP2_RAW = 2
HNAS_RULE_THRESHOLD = 3
HNAS_ARCH_NODE_WITHOUT_INPUT = 1
HNAS_ARCH_INPUT_UNUSED = 2
HNAS_ARCH_NODE_DEAD = 3
HNAS_ORDER_FIRST = 0
HNAS_ORDER_SECOND_FD = 1
HNAS_ORDER_SECOND_EXACT = 2
HNAS_LOSS_TRAIN = 0
HNAS_LOSS_VALID = 1
HNAS_COMM_FIXED = 0
HNAS_COMM_ANY = 1
HNAS_COMM_FLOAT32 = 0
HNAS_COMM_FLOAT64 = 1
HNAS_RELAX_RAW = 0
HNAS_RELAX_SOFTMAX = 1
HNAS_RELAX_SIGMOID = 2
HNAS_RELAX_GUMBEL = 3
HNAS_RELAX_GUMBEL_HARD = 4
HNAS_TAU_CONSTANT = 0
HNAS_TAU_LINEAR = 1
HNAS_TAU_EXP = 2
HNAS_TAU_EPOCH = 3
HNAS_SAMPLE_FIXED = 0
HNAS_SAMPLE_UNIFORM = 1
HNAS_SAMPLE_ANTITHETIC = 2
HNAS_SAMPLE_SANDWICH = 3
HNAS_SAMPLE_LOG_UNIFORM = 4
HNAS_NAN_STOP = 0
HNAS_NAN_SKIP = 1
HNAS_NAN_ROLLBACK = 2


class hnas_context(Structure):
    pass


hnas_alloc_fn = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_size_t)


hnas_free_fn = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)


hnas_log_fn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


hnas_poll_fn = CFUNCTYPE(c_int32, c_void_p)


hnas_task_fn = CFUNCTYPE(None, c_void_p, c_int64, c_int32)


hnas_parallel_fn = CFUNCTYPE(None, c_void_p, c_int64, hnas_task_fn, c_void_p)


class hnas_context_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("alloc", hnas_alloc_fn),
        ("free", hnas_free_fn),
        ("alloc_user", c_void_p),
        ("log", hnas_log_fn),
        ("log_user", c_void_p),
        ("log_level", c_int32),
        ("n_threads", c_int32),
        ("parallel", hnas_parallel_fn),
        ("parallel_user", c_void_p),
        ("seed", c_uint64),
        ("cpu_mask", c_uint32),
        ("gemm", c_int32),
        ("poll", hnas_poll_fn),
        ("poll_user", c_void_p),
        ("poll_ms", c_int32),
        ("memory_limit", c_size_t),
    ]


class hnas_tensor(Structure):
    pass


hnas_release_fn = CFUNCTYPE(None, c_void_p, c_void_p)


class hnas_array(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("data", c_void_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("dims", c_int64 * 4),
        ("strides", c_int64 * 4),
        ("release", hnas_release_fn),
        ("release_user", c_void_p),
    ]


class hnas_params(Structure):
    pass


class hnas_tape(Structure):
    pass


class hnas_hyper_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("kind", c_int32),
        ("scale", c_int32),
        ("lambda_lo", c_double),
        ("lambda_hi", c_double),
        ("init_std", c_double),
        ("n_tables", c_int32),
        ("names", c_char_p * 8),
        ("rows", c_int64 * 8),
        ("cols", c_int64 * 8),
        ("knots", c_int32),
        ("hidden", c_int32),
        ("start", c_int32),
        ("weights", c_int32),
        ("predecessors", POINTER(c_int64) * 8),
        ("embedding", c_int32),
        ("tile", c_int32),
        ("embed_s", c_int32),
        ("reserved", c_int64 * 8),
    ]


class hnas_hyper(Structure):
    pass


class hnas_norm(Structure):
    pass


class hnas_conv_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("stride", c_int64 * 2),
        ("pad", c_int64 * 2),
        ("dilation", c_int64 * 2),
        ("out", c_int64 * 2),
        ("relu", c_int32),
    ]


class hnas_func_table(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("forward",
         CFUNCTYPE(c_int32, c_void_p, POINTER(hnas_array), c_int32, POINTER(hnas_array))),
        ("backward",
         CFUNCTYPE(c_int32, c_void_p, POINTER(hnas_array), c_int32, POINTER(hnas_array), POINTER(hnas_array), POINTER(hnas_array))),
        ("tangent",
         CFUNCTYPE(c_int32, c_void_p, POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape), POINTER(POINTER(hnas_tensor)), POINTER(POINTER(hnas_tensor)), c_int32, POINTER(hnas_tensor))),
    ]


class hnas_shape(Structure):
    _fields_ = [
        ("rank", c_int32),
        ("dims", c_int64 * 4),
    ]


class hnas_op_desc(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("channels", c_int64),
        ("stride", c_int64),
    ]


class hnas_cost(Structure):
    _fields_ = [
        ("params", c_int64),
        ("macs", c_int64),
        ("bytes", c_int64),
    ]


class hnas_op_builder(Structure):
    pass


class hnas_op_table(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("version", c_int32),
        ("flags", c_uint32),
        ("create",
         CFUNCTYPE(c_int32, POINTER(c_void_p), POINTER(hnas_op_builder), POINTER(hnas_op_desc))),
        ("destroy", CFUNCTYPE(None, c_void_p)),
        ("apply",
         CFUNCTYPE(c_int32, POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape), c_void_p, POINTER(hnas_tensor))),
        ("cost",
         CFUNCTYPE(None, c_void_p, c_int64, c_int64, POINTER(hnas_cost))),
    ]


class hnas_op(Structure):
    pass


class hnas_edge(Structure):
    _fields_ = [
        ("from_", c_int32),
        ("to", c_int32),
        ("stride", c_int32),
        ("n_ops", c_int32),
        ("ops", POINTER(c_char_p)),
    ]


class hnas_cell_desc(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("n_inputs", c_int32),
        ("n_nodes", c_int32),
        ("channels", c_int64),
        ("n_edges", c_int32),
        ("edges", POINTER(hnas_edge)),
        ("n_outputs", c_int32),
        ("outputs", POINTER(c_int32)),
    ]


class hnas_cell(Structure):
    pass


class hnas_supernet_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("image", c_int64 * 3),
        ("classes", c_int64),
        ("channels", c_int64),
        ("cells", c_int32),
        ("nodes", c_int32),
        ("stem_multiplier", c_int32),
        ("n_ops", c_int32),
        ("ops", POINTER(c_char_p)),
        ("head", c_int32),
        ("knots", c_int32),
        ("scale", c_int32),
        ("lambda_lo", c_double),
        ("lambda_hi", c_double),
        ("kernels", c_int32),
        ("embedding", c_int32),
    ]


class hnas_supernet(Structure):
    pass


class hnas_cell_info(Structure):
    _fields_ = [
        ("kind", c_int32),
        ("channels", c_int64),
        ("in_size", c_int64 * 2),
        ("out_size", c_int64 * 2),
    ]


class hnas_arch(Structure):
    pass


class hnas_arch_edge(Structure):
    _fields_ = [
        ("from_", c_int32),
        ("to", c_int32),
        ("op", c_int32),
        ("op_name", c_char_p),
    ]


class hnas_arch_warning(Structure):
    _fields_ = [
        ("code", c_int32),
        ("kind", c_int32),
        ("node", c_int32),
    ]


class hnas_sgd_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("momentum", c_double),
        ("weight_decay", c_double),
        ("clip", c_double),
        ("nesterov", c_int32),
        ("reserved", c_int64 * 8),
    ]


class hnas_adam_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("beta1", c_double),
        ("beta2", c_double),
        ("epsilon", c_double),
        ("weight_decay", c_double),
        ("reserved", c_int64 * 8),
    ]


class hnas_optim(Structure):
    pass


class hnas_loss_request(Structure):
    _fields_ = [
        ("loss", c_int32),
        ("wants_w", c_int32),
        ("wants_u", c_int32),
        ("draw", c_int32),
        ("lambda_", c_double),
        ("step", c_int64),
    ]


class hnas_problem(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("loss",
         CFUNCTYPE(c_int32, c_void_p, POINTER(hnas_tape), POINTER(hnas_loss_request), POINTER(POINTER(hnas_tensor)))),
        ("after_u", CFUNCTYPE(c_int32, c_void_p)),
        ("after_w", CFUNCTYPE(None, c_void_p)),
        ("user", c_void_p),
        ("w", POINTER(POINTER(hnas_tensor))),
        ("n_w", c_int64),
        ("u", POINTER(POINTER(hnas_tensor))),
        ("n_u", c_int64),
    ]


class hnas_bilevel_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("order", c_int32),
        ("virtual_clip", c_int32),
        ("w", hnas_sgd_opts),
        ("w_rate", c_double),
        ("w_rate_last", c_double),
        ("u", hnas_adam_opts),
        ("u_rate", c_double),
        ("total_steps", c_int64),
        ("rate_steps", c_int64),
        ("warmup", c_double),
        ("half", c_int32),
        ("u_span", c_double),
        ("cooldown", c_double),
        ("reserved", c_int64 * 8),
    ]


class hnas_bilevel(Structure):
    pass


class hnas_step_info(Structure):
    _fields_ = [
        ("step", c_int64),
        ("train_loss", c_double),
        ("valid_loss", c_double),
        ("w_norm", c_double),
        ("u_norm", c_double),
        ("w_rate", c_double),
        ("lambda_", c_double),
    ]


hnas_progress_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, c_int32)


class hnas_comm(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("rank", c_int32),
        ("n_ranks", c_int32),
        ("order", c_int32),
        ("user", c_void_p),
        ("exchange",
         CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_int32)),
        ("sum_start",
         CFUNCTYPE(c_int32, c_void_p, c_void_p, c_int64, c_int32, POINTER(c_void_p))),
        ("sum_wait", CFUNCTYPE(c_int32, c_void_p, c_void_p)),
        ("broadcast",
         CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_int32)),
        ("barrier", CFUNCTYPE(c_int32, c_void_p)),
        ("abort", CFUNCTYPE(None, c_void_p, c_char_p)),
        ("message", CFUNCTYPE(c_char_p, c_void_p)),
        ("probe", CFUNCTYPE(c_int32, c_void_p, POINTER(c_int32))),
    ]


class hnas_comm_traffic(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("n_sums", c_int64),
        ("n_messages", c_int64),
        ("n_bytes", c_int64),
        ("seconds", c_double),
        ("overlap_seconds", c_double),
    ]


class hnas_batch(Structure):
    _fields_ = [
        ("images", POINTER(hnas_tensor)),
        ("labels", POINTER(hnas_tensor)),
    ]


class hnas_dataset(Structure):
    pass


class hnas_batches_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("batch", c_int64),
        ("first", c_int64),
        ("count", c_int64),
        ("shuffle", c_int32),
        ("partial", c_int32),
        ("stream", c_uint64),
        ("mean", c_double),
        ("std", c_double),
        ("shift", c_int64),
        ("flip", c_int32),
        ("cutout", c_int64),
        ("rank", c_int32),
        ("n_ranks", c_int32),
    ]


class hnas_batches(Structure):
    pass


class hnas_search_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("bilevel", hnas_bilevel_opts),
        ("relax", c_int32),
        ("gumbel_per_image", c_int32),
        ("tau", c_double),
        ("tau_last", c_double),
        ("tau_schedule", c_int32),
        ("tau_steps", c_int32),
        ("metric", c_int32),
        ("cost_weight", c_double),
        ("raw_cost", c_int32),
        ("monotone", c_int32),
        ("sample", c_int32),
        ("draws", c_int32),
        ("lambda_", c_double),
        ("l1", c_double),
        ("l1_lambda", c_double),
        ("zero_one", c_double),
        ("norm_momentum", c_double),
        ("rule", c_int32),
        ("theta", c_double),
        ("beta_decay", c_double),
        ("l2", c_double),
        ("alpha_paths", c_int32),
        ("tau_fall", c_double),
        ("on_nan", c_int32),
        ("reserved", c_int64 * 8),
    ]


class hnas_search(Structure):
    pass


class hnas_preset(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("search", hnas_search_opts),
        ("hyper", hnas_hyper_opts),
        ("n_ops", c_int32),
        ("ops", POINTER(c_char_p)),
        ("epochs", c_int32),
        ("batch", c_int32),
        ("valid_fraction", c_double),
        ("running_stats", c_int32),
        ("head", c_int32),
    ]


class hnas_diagnosis(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("expected_cost", c_double),
        ("true_cost", c_double),
        ("entropy", c_double),
    ]


class hnas_model_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("image", c_int64 * 3),
        ("classes", c_int64),
        ("channels", c_int64),
        ("cells", c_int32),
        ("nodes", c_int32),
        ("stem_multiplier", c_int32),
        ("affine", c_int32),
        ("auxiliary", c_int32),
    ]


class hnas_model(Structure):
    pass


class hnas_train_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("sgd", hnas_sgd_opts),
        ("rate", c_double),
        ("rate_last", c_double),
        ("total_steps", c_int64),
        ("rate_steps", c_int64),
        ("drop_path", c_double),
        ("aux_weight", c_double),
        ("label_smoothing", c_double),
        ("norm_momentum", c_double),
        ("average", c_double),
    ]


class hnas_train_info(Structure):
    _fields_ = [
        ("step", c_int64),
        ("loss", c_double),
        ("norm", c_double),
        ("rate", c_double),
        ("drop_path", c_double),
    ]


class hnas_predictor(Structure):
    pass


class hnas_path(Structure):
    pass


class hnas_path_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("rule", c_int32),
        ("theta", c_double),
    ]


class hnas_path_piece(Structure):
    _fields_ = [
        ("lo", c_double),
        ("hi", c_double),
        ("s_lo", c_double),
        ("cost", hnas_cost),
    ]


class hnas_set(Structure):
    pass


class hnas_set_member(Structure):
    _fields_ = [
        ("lo", c_double),
        ("hi", c_double),
        ("cost", hnas_cost),
        ("latency_us", c_double),
    ]


class hnas_explorer_opts(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("scale", c_int32),
        ("title", c_char_p),
        ("log", c_char_p),
    ]


class hnas_supernet_pass(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("gates", POINTER(hnas_tensor) * 2),
        ("flags", c_int32),
        ("lambda_", c_double),
    ]


class hnas_kernel_rate(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char * 32),
        ("shape", c_char * 32),
        ("gflops", c_double),
        ("gbs", c_double),
        ("roofline", c_double),
    ]


# name: (result, arguments)
FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "hnas_abi": (c_int32, []),
    "hnas_adam_create": (c_int32, [POINTER(POINTER(hnas_optim)),
        POINTER(hnas_context), POINTER(POINTER(hnas_tensor)), c_int64,
        POINTER(hnas_adam_opts)]),
    "hnas_adam_opts_init": (None, [POINTER(hnas_adam_opts), c_size_t]),
    "hnas_add": (c_int32, [POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape),
        POINTER(hnas_tensor), POINTER(hnas_tensor)]),
    "hnas_affine": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), c_double, c_double]),
    "hnas_arch_derive": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_supernet), POINTER(hnas_hyper), c_double, c_int32]),
    "hnas_arch_derive_threshold": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_supernet), POINTER(hnas_hyper), c_double, c_double]),
    "hnas_arch_destroy": (None, [POINTER(hnas_arch)]),
    "hnas_arch_from_alpha": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_supernet), POINTER(POINTER(c_double)), c_int32, c_int32]),
    "hnas_arch_from_alpha_threshold": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_supernet), POINTER(POINTER(c_double)), c_double,
        c_int32]),
    "hnas_arch_from_edges": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_context), c_int32, c_int32,
        POINTER(POINTER(hnas_arch_edge)), POINTER(c_int32)]),
    "hnas_arch_get_cost": (None, [POINTER(hnas_arch), POINTER(hnas_cost),
        POINTER(hnas_cost)]),
    "hnas_arch_get_edge_count": (c_int32, [POINTER(hnas_arch), c_int32]),
    "hnas_arch_get_edges": (POINTER(hnas_arch_edge), [POINTER(hnas_arch),
        c_int32]),
    "hnas_arch_get_lambda": (None, [POINTER(hnas_arch), POINTER(c_double),
        POINTER(c_double), POINTER(c_double)]),
    "hnas_arch_get_node_count": (c_int32, [POINTER(hnas_arch), c_int32]),
    "hnas_arch_get_rule": (c_int32, [POINTER(hnas_arch)]),
    "hnas_arch_get_table_cost": (c_double, [POINTER(hnas_arch)]),
    "hnas_arch_get_warnings": (c_int32, [POINTER(hnas_arch),
        POINTER(POINTER(hnas_arch_warning))]),
    "hnas_arch_is_equal": (c_int32, [POINTER(hnas_arch), POINTER(hnas_arch)]),
    "hnas_arch_read": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_context), c_char_p, c_size_t]),
    "hnas_arch_read_json": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_supernet), c_char_p, c_size_t]),
    "hnas_arch_write_dot": (c_int32, [POINTER(hnas_arch), POINTER(c_char),
        c_size_t, POINTER(c_size_t)]),
    "hnas_arch_write_json": (c_int32, [POINTER(hnas_arch), POINTER(c_char),
        c_size_t, POINTER(c_size_t)]),
    "hnas_arch_write_svg": (c_int32, [POINTER(hnas_arch), POINTER(c_char),
        c_size_t, POINTER(c_size_t)]),
    "hnas_arch_write_text": (c_int32, [POINTER(hnas_arch), POINTER(c_char),
        c_size_t, POINTER(c_size_t)]),
    "hnas_avg_pool_3x3": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), c_int64]),
    "hnas_batch_norm": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_norm)]),
    "hnas_batches_create": (c_int32, [POINTER(POINTER(hnas_batches)),
        POINTER(hnas_context), POINTER(hnas_dataset),
        POINTER(hnas_batches_opts)]),
    "hnas_batches_destroy": (None, [POINTER(hnas_batches)]),
    "hnas_batches_get": (c_int32, [POINTER(hnas_batches), c_int64, c_int64,
        POINTER(POINTER(hnas_tensor)), POINTER(POINTER(hnas_tensor))]),
    "hnas_batches_get_count": (c_int64, [POINTER(hnas_batches)]),
    "hnas_batches_opts_init": (None, [POINTER(hnas_batches_opts), c_size_t]),
    "hnas_bilevel_cancel": (None, [POINTER(hnas_bilevel)]),
    "hnas_bilevel_create": (c_int32, [POINTER(POINTER(hnas_bilevel)),
        POINTER(hnas_context), POINTER(hnas_problem),
        POINTER(hnas_bilevel_opts)]),
    "hnas_bilevel_destroy": (None, [POINTER(hnas_bilevel)]),
    "hnas_bilevel_gradient": (c_int32, [POINTER(hnas_bilevel), c_double]),
    "hnas_bilevel_opts_init": (None, [POINTER(hnas_bilevel_opts), c_size_t]),
    "hnas_bilevel_set_progress": (None, [POINTER(hnas_bilevel),
        hnas_progress_fn, c_void_p]),
    "hnas_bilevel_step": (c_int32, [POINTER(hnas_bilevel), POINTER(c_double),
        c_int32, POINTER(hnas_step_info)]),
    "hnas_blis_version": (c_char_p, []),
    "hnas_cell_apply": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_cell), POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tensor), c_int32]),
    "hnas_cell_create": (c_int32, [POINTER(POINTER(hnas_cell)),
        POINTER(hnas_context), POINTER(hnas_cell_desc)]),
    "hnas_cell_destroy": (None, [POINTER(hnas_cell)]),
    "hnas_cell_get_params": (POINTER(hnas_params), [POINTER(hnas_cell)]),
    "hnas_concat": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(POINTER(hnas_tensor)), c_int64]),
    "hnas_confusion_measure": (None, [POINTER(c_int64), c_int64,
        POINTER(c_double), POINTER(c_double)]),
    "hnas_context_create": (c_int32, [POINTER(POINTER(hnas_context)),
        POINTER(hnas_context_opts)]),
    "hnas_context_destroy": (None, [POINTER(hnas_context)]),
    "hnas_context_get_gemm": (c_char_p, [POINTER(hnas_context)]),
    "hnas_context_get_kernels": (c_char_p, [POINTER(hnas_context)]),
    "hnas_context_get_memory": (None, [POINTER(hnas_context),
        POINTER(c_size_t), POINTER(c_size_t)]),
    "hnas_context_get_moved": (c_int64, [POINTER(hnas_context)]),
    "hnas_context_get_seed": (c_uint64, [POINTER(hnas_context)]),
    "hnas_context_get_threads": (c_int32, [POINTER(hnas_context)]),
    "hnas_context_get_traffic": (None, [POINTER(hnas_context),
        POINTER(hnas_comm_traffic)]),
    "hnas_context_message": (c_char_p, [POINTER(hnas_context)]),
    "hnas_context_opts_init": (None, [POINTER(hnas_context_opts), c_size_t]),
    "hnas_context_set_comm": (c_int32, [POINTER(hnas_context),
        POINTER(hnas_comm)]),
    "hnas_conv2d": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        POINTER(hnas_conv_opts)]),
    "hnas_conv_opts_init": (None, [POINTER(hnas_conv_opts), c_size_t]),
    "hnas_cross_entropy": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor)]),
    "hnas_dataset_create": (c_int32, [POINTER(POINTER(hnas_dataset)),
        POINTER(hnas_context), POINTER(hnas_tensor), POINTER(hnas_tensor)]),
    "hnas_dataset_destroy": (None, [POINTER(hnas_dataset)]),
    "hnas_dataset_get_classes": (c_int64, [POINTER(hnas_dataset)]),
    "hnas_dataset_get_dims": (None, [POINTER(hnas_dataset), POINTER(c_int64)]),
    "hnas_dataset_moments": (c_int32, [POINTER(hnas_dataset), c_int64,
        POINTER(c_double), POINTER(c_double)]),
    "hnas_dataset_open_idx": (c_int32, [POINTER(POINTER(hnas_dataset)),
        POINTER(hnas_context), c_char_p, c_char_p]),
    "hnas_depthwise_conv2d": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        POINTER(hnas_conv_opts)]),
    "hnas_explorer_opts_init": (None, [POINTER(hnas_explorer_opts), c_size_t]),
    "hnas_factorized_reduce": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        POINTER(hnas_tensor)]),
    "hnas_file_keep": (c_int32, [POINTER(hnas_context), c_char_p, c_int32]),
    "hnas_file_replace": (c_int32, [POINTER(hnas_context), c_char_p, c_void_p,
        c_size_t]),
    "hnas_func_apply": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_func_table),
        POINTER(POINTER(hnas_tensor)), c_int32, POINTER(hnas_shape),
        c_void_p]),
    "hnas_global_avg_pool": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor)]),
    "hnas_hyper_apply": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_hyper), c_int32, c_double]),
    "hnas_hyper_create": (c_int32, [POINTER(POINTER(hnas_hyper)),
        POINTER(hnas_context), POINTER(hnas_hyper_opts)]),
    "hnas_hyper_destroy": (None, [POINTER(hnas_hyper)]),
    "hnas_hyper_eval": (c_int32, [POINTER(c_double), c_int64,
        POINTER(hnas_hyper), c_int32, c_double]),
    "hnas_hyper_get_opts": (None, [POINTER(hnas_hyper),
        POINTER(hnas_hyper_opts), c_size_t]),
    "hnas_hyper_get_params": (POINTER(hnas_params), [POINTER(hnas_hyper)]),
    "hnas_hyper_opts_init": (None, [POINTER(hnas_hyper_opts), c_size_t]),
    "hnas_hyper_project": (c_int32, [POINTER(hnas_hyper), c_int32,
        POINTER(c_double), POINTER(c_int32), c_int32]),
    "hnas_hyper_scale": (c_int32, [POINTER(c_double), POINTER(hnas_hyper),
        c_double]),
    "hnas_hyper_unscale": (c_int32, [POINTER(c_double), POINTER(hnas_hyper),
        c_double]),
    "hnas_kernels_get_count": (c_int32, [POINTER(hnas_context)]),
    "hnas_kernels_measure": (c_int32, [POINTER(hnas_kernel_rate), c_size_t,
        POINTER(hnas_context), c_int32]),
    "hnas_linear": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        POINTER(hnas_tensor)]),
    "hnas_max_pool_3x3": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), c_int64]),
    "hnas_mix": (c_int32, [POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape),
        POINTER(POINTER(hnas_tensor)), c_int64, POINTER(hnas_tensor),
        POINTER(c_int64)]),
    "hnas_model_calibrate": (c_int32, [POINTER(hnas_model),
        POINTER(hnas_tensor), c_int32]),
    "hnas_model_create": (c_int32, [POINTER(POINTER(hnas_model)),
        POINTER(hnas_context), POINTER(hnas_arch), POINTER(hnas_model_opts)]),
    "hnas_model_destroy": (None, [POINTER(hnas_model)]),
    "hnas_model_evaluate": (c_int32, [POINTER(hnas_model), POINTER(hnas_batch),
        POINTER(c_int64), c_int64]),
    "hnas_model_get_arch": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_model)]),
    "hnas_model_get_cost": (None, [POINTER(hnas_model), POINTER(hnas_cost),
        POINTER(hnas_cost)]),
    "hnas_model_get_opts": (None, [POINTER(hnas_model),
        POINTER(hnas_model_opts), c_size_t]),
    "hnas_model_get_params": (POINTER(hnas_params), [POINTER(hnas_model)]),
    "hnas_model_get_steps": (c_int64, [POINTER(hnas_model)]),
    "hnas_model_get_text": (c_char_p, [POINTER(hnas_model)]),
    "hnas_model_inherit": (c_int32, [POINTER(hnas_model),
        POINTER(hnas_params)]),
    "hnas_model_load": (c_int32, [POINTER(POINTER(hnas_model)),
        POINTER(hnas_context), c_char_p]),
    "hnas_model_load_kept": (c_int32, [POINTER(POINTER(hnas_model)),
        POINTER(hnas_context), c_char_p, POINTER(c_int32)]),
    "hnas_model_opts_fit": (None, [POINTER(hnas_model_opts),
        POINTER(hnas_supernet)]),
    "hnas_model_opts_init": (None, [POINTER(hnas_model_opts), c_size_t]),
    "hnas_model_predict": (c_int32, [POINTER(hnas_model), POINTER(hnas_tensor),
        POINTER(c_float), c_int64]),
    "hnas_model_save": (c_int32, [POINTER(hnas_model), c_char_p, c_char_p]),
    "hnas_model_save_onnx": (c_int32, [POINTER(hnas_model), c_char_p]),
    "hnas_model_set_text": (c_int32, [POINTER(hnas_model), c_char_p]),
    "hnas_model_step": (c_int32, [POINTER(hnas_model), POINTER(hnas_batch),
        POINTER(hnas_train_info)]),
    "hnas_model_swap_average": (c_int32, [POINTER(hnas_model)]),
    "hnas_model_train": (c_int32, [POINTER(hnas_model),
        POINTER(hnas_train_opts)]),
    "hnas_mul": (c_int32, [POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape),
        POINTER(hnas_tensor), POINTER(hnas_tensor)]),
    "hnas_norm_create": (c_int32, [POINTER(POINTER(hnas_norm)),
        POINTER(hnas_context), c_int64, c_int32]),
    "hnas_norm_destroy": (None, [POINTER(hnas_norm)]),
    "hnas_norm_get_tensors": (None, [POINTER(hnas_norm),
        POINTER(POINTER(hnas_tensor)), POINTER(POINTER(hnas_tensor)),
        POINTER(POINTER(hnas_tensor)), POINTER(POINTER(hnas_tensor))]),
    "hnas_norm_update": (None, [POINTER(hnas_norm), c_double]),
    "hnas_op_apply": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_op), POINTER(hnas_tensor)]),
    "hnas_op_builder_alloc": (c_int32, [POINTER(c_void_p),
        POINTER(hnas_op_builder), c_size_t]),
    "hnas_op_builder_norm": (c_int32, [POINTER(POINTER(hnas_norm)),
        POINTER(hnas_op_builder), c_char_p, c_int64]),
    "hnas_op_builder_weight": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_op_builder), c_char_p, POINTER(c_int64)]),
    "hnas_op_create": (c_int32, [POINTER(POINTER(hnas_op)),
        POINTER(hnas_context), c_char_p, POINTER(hnas_op_desc)]),
    "hnas_op_destroy": (None, [POINTER(hnas_op)]),
    "hnas_op_find": (c_int32, [POINTER(POINTER(hnas_op_table)),
        POINTER(hnas_context), c_char_p]),
    "hnas_op_get": (POINTER(hnas_op_table), [POINTER(hnas_context), c_int64]),
    "hnas_op_get_cost": (None, [POINTER(hnas_op), c_int64, c_int64,
        POINTER(hnas_cost)]),
    "hnas_op_get_count": (c_int64, [POINTER(hnas_context)]),
    "hnas_op_get_params": (POINTER(hnas_params), [POINTER(hnas_op)]),
    "hnas_op_register": (c_int32, [POINTER(hnas_context),
        POINTER(hnas_op_table)]),
    "hnas_optim_destroy": (None, [POINTER(hnas_optim)]),
    "hnas_optim_get_steps": (c_int64, [POINTER(hnas_optim)]),
    "hnas_optim_step": (c_int32, [POINTER(hnas_optim), c_double]),
    "hnas_params_find": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_params), c_char_p]),
    "hnas_params_get_count": (c_int64, [POINTER(hnas_params)]),
    "hnas_params_get_elements": (c_int64, [POINTER(hnas_params), c_int32]),
    "hnas_params_get_kind": (c_int32, [POINTER(hnas_params), c_int64]),
    "hnas_params_get_name": (c_char_p, [POINTER(hnas_params), c_int64]),
    "hnas_params_get_tensor": (POINTER(hnas_tensor), [POINTER(hnas_params),
        c_int64]),
    "hnas_path_create": (c_int32, [POINTER(POINTER(hnas_path)),
        POINTER(hnas_supernet), POINTER(hnas_hyper), POINTER(hnas_path_opts)]),
    "hnas_path_destroy": (None, [POINTER(hnas_path)]),
    "hnas_path_find": (c_int32, [POINTER(hnas_path), c_double]),
    "hnas_path_find_budget": (c_int32, [POINTER(c_int32), POINTER(hnas_path),
        c_int32, c_int64]),
    "hnas_path_find_table_budget": (c_int32, [POINTER(c_int32),
        POINTER(hnas_path), c_double]),
    "hnas_path_get_arch": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_path), c_int32]),
    "hnas_path_get_count": (c_int32, [POINTER(hnas_path)]),
    "hnas_path_get_piece": (None, [POINTER(hnas_path), c_int32,
        POINTER(hnas_path_piece)]),
    "hnas_path_get_table_cost": (c_double, [POINTER(hnas_path), c_int32]),
    "hnas_path_is_sampled": (c_int32, [POINTER(hnas_path)]),
    "hnas_path_opts_init": (None, [POINTER(hnas_path_opts), c_size_t]),
    "hnas_path_pareto": (c_int32, [POINTER(c_int32), POINTER(c_int32),
        POINTER(hnas_path), c_int32, POINTER(c_double)]),
    "hnas_path_save_html": (c_int32, [POINTER(hnas_path), c_char_p,
        POINTER(hnas_explorer_opts)]),
    "hnas_path_write_change": (c_int32, [POINTER(hnas_path), c_int32,
        POINTER(c_char), c_size_t, POINTER(c_size_t)]),
    "hnas_path_write_json": (c_int32, [POINTER(hnas_path), POINTER(c_char),
        c_size_t, POINTER(c_size_t)]),
    "hnas_predictor_create": (c_int32, [POINTER(POINTER(hnas_predictor)),
        POINTER(hnas_model), c_int32]),
    "hnas_predictor_destroy": (None, [POINTER(hnas_predictor)]),
    "hnas_predictor_get_current": (c_int32, [POINTER(hnas_predictor)]),
    "hnas_predictor_message": (c_char_p, [POINTER(hnas_predictor)]),
    "hnas_predictor_run": (c_int32, [POINTER(hnas_predictor),
        POINTER(hnas_array), POINTER(c_float), c_int64]),
    "hnas_predictor_share": (c_int32, [POINTER(POINTER(hnas_predictor)),
        POINTER(hnas_predictor), c_int32]),
    "hnas_predictor_switch": (c_int32, [POINTER(hnas_predictor), c_int32]),
    "hnas_preset_find": (c_int32, [POINTER(hnas_preset), c_size_t,
        POINTER(hnas_context), c_char_p]),
    "hnas_preset_fit": (None, [POINTER(hnas_preset), c_int32]),
    "hnas_preset_fit_net": (None, [POINTER(hnas_preset),
        POINTER(hnas_supernet_opts)]),
    "hnas_relax_gumbel": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        c_double, c_int32]),
    "hnas_relax_sigmoid": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor)]),
    "hnas_relax_softmax": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), c_double]),
    "hnas_relu": (c_int32, [POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape),
        POINTER(hnas_tensor)]),
    "hnas_schedule_cosine": (c_double, [c_double, c_double, c_int64, c_int64]),
    "hnas_search_calibrate": (c_int32, [POINTER(hnas_search),
        POINTER(hnas_arch), c_double, POINTER(hnas_tensor), c_int64, c_int32]),
    "hnas_search_cancel": (None, [POINTER(hnas_search)]),
    "hnas_search_create": (c_int32, [POINTER(POINTER(hnas_search)),
        POINTER(hnas_supernet), POINTER(hnas_hyper),
        POINTER(hnas_search_opts)]),
    "hnas_search_derive": (c_int32, [POINTER(POINTER(hnas_arch)),
        POINTER(hnas_search), c_double, c_int32]),
    "hnas_search_destroy": (None, [POINTER(hnas_search)]),
    "hnas_search_diagnose": (c_int32, [POINTER(hnas_search), c_double,
        POINTER(hnas_diagnosis), c_size_t]),
    "hnas_search_get_hyper": (POINTER(hnas_hyper), [POINTER(hnas_search)]),
    "hnas_search_get_nan_steps": (None, [POINTER(c_int64), POINTER(c_int64),
        POINTER(hnas_search)]),
    "hnas_search_get_net": (POINTER(hnas_supernet), [POINTER(hnas_search)]),
    "hnas_search_get_opts": (None, [POINTER(hnas_search),
        POINTER(hnas_search_opts), c_size_t]),
    "hnas_search_get_steps": (c_int64, [POINTER(hnas_search)]),
    "hnas_search_get_tau": (c_double, [POINTER(hnas_search)]),
    "hnas_search_get_text": (c_char_p, [POINTER(hnas_search)]),
    "hnas_search_gradient": (c_int32, [POINTER(hnas_search),
        POINTER(hnas_batch), POINTER(hnas_batch), c_double]),
    "hnas_search_hessian": (c_int32, [POINTER(c_double), POINTER(hnas_search),
        POINTER(hnas_batch), c_double, c_int32]),
    "hnas_search_load": (c_int32, [POINTER(POINTER(hnas_search)),
        POINTER(hnas_context), c_char_p]),
    "hnas_search_load_kept": (c_int32, [POINTER(POINTER(hnas_search)),
        POINTER(hnas_context), c_char_p, POINTER(c_int32)]),
    "hnas_search_loss": (c_int32, [POINTER(c_double), POINTER(hnas_search),
        POINTER(hnas_batch), c_double, POINTER(POINTER(hnas_tensor)),
        c_int32]),
    "hnas_search_opts_init": (None, [POINTER(hnas_search_opts), c_size_t]),
    "hnas_search_predict": (c_int32, [POINTER(hnas_search), POINTER(hnas_arch),
        c_double, POINTER(hnas_tensor), c_int64, POINTER(c_float), c_int64]),
    "hnas_search_restore_norms": (None, [POINTER(hnas_search)]),
    "hnas_search_save": (c_int32, [POINTER(hnas_search), c_char_p, c_char_p]),
    "hnas_search_set_progress": (None, [POINTER(hnas_search), hnas_progress_fn,
        c_void_p]),
    "hnas_search_step": (c_int32, [POINTER(hnas_search), POINTER(hnas_batch),
        POINTER(hnas_batch), POINTER(c_double), c_int32,
        POINTER(hnas_step_info)]),
    "hnas_separable_conv2d": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        POINTER(hnas_tensor), POINTER(hnas_conv_opts)]),
    "hnas_set_calibrate": (c_int32, [POINTER(hnas_set), POINTER(hnas_tensor),
        c_int32]),
    "hnas_set_create": (c_int32, [POINTER(POINTER(hnas_set)),
        POINTER(hnas_supernet), POINTER(hnas_path)]),
    "hnas_set_create_predictor": (c_int32, [POINTER(POINTER(hnas_predictor)),
        POINTER(hnas_set), c_int32]),
    "hnas_set_destroy": (None, [POINTER(hnas_set)]),
    "hnas_set_find": (c_int32, [POINTER(hnas_set), c_double]),
    "hnas_set_find_budget": (c_int32, [POINTER(c_int32), POINTER(hnas_set),
        c_int32, c_int64]),
    "hnas_set_find_latency": (c_int32, [POINTER(c_int32), POINTER(hnas_set),
        c_double]),
    "hnas_set_get_count": (c_int32, [POINTER(hnas_set)]),
    "hnas_set_get_member": (None, [POINTER(hnas_set), c_int32,
        POINTER(hnas_set_member)]),
    "hnas_set_get_model": (c_int32, [POINTER(POINTER(hnas_model)),
        POINTER(hnas_set), c_int32]),
    "hnas_set_get_text": (c_char_p, [POINTER(hnas_set)]),
    "hnas_set_load": (c_int32, [POINTER(POINTER(hnas_set)),
        POINTER(hnas_context), c_char_p]),
    "hnas_set_measure": (c_int32, [POINTER(hnas_set), c_int32]),
    "hnas_set_save": (c_int32, [POINTER(hnas_set), c_char_p, c_char_p]),
    "hnas_sgd_create": (c_int32, [POINTER(POINTER(hnas_optim)),
        POINTER(hnas_context), POINTER(POINTER(hnas_tensor)), c_int64,
        POINTER(hnas_sgd_opts)]),
    "hnas_sgd_opts_init": (None, [POINTER(hnas_sgd_opts), c_size_t]),
    "hnas_status_name": (c_char_p, [c_int32]),
    "hnas_sum": (c_int32, [POINTER(POINTER(hnas_tensor)), POINTER(hnas_tape),
        POINTER(hnas_tensor)]),
    "hnas_supernet_apply": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_supernet), POINTER(hnas_tensor),
        POINTER(POINTER(hnas_tensor)), c_int32]),
    "hnas_supernet_apply_at": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_supernet), POINTER(hnas_tensor),
        POINTER(hnas_supernet_pass)]),
    "hnas_supernet_create": (c_int32, [POINTER(POINTER(hnas_supernet)),
        POINTER(hnas_context), POINTER(hnas_supernet_opts)]),
    "hnas_supernet_destroy": (None, [POINTER(hnas_supernet)]),
    "hnas_supernet_fit_hyper": (None, [POINTER(hnas_supernet),
        POINTER(hnas_hyper_opts)]),
    "hnas_supernet_get_cell": (None, [POINTER(hnas_supernet), c_int32,
        POINTER(hnas_cell_info)]),
    "hnas_supernet_get_costs": (c_int32, [POINTER(hnas_supernet), c_int32,
        c_int32, POINTER(c_double), c_int64]),
    "hnas_supernet_get_fixed_cost": (c_int32, [POINTER(hnas_supernet),
        POINTER(hnas_cost)]),
    "hnas_supernet_get_fixed_table_cost": (c_double, [
        POINTER(hnas_supernet)]),
    "hnas_supernet_get_generated": (None, [POINTER(hnas_supernet),
        POINTER(c_int64), POINTER(c_int64)]),
    "hnas_supernet_get_kind": (None, [POINTER(hnas_supernet), c_int32,
        POINTER(c_int32), POINTER(c_int32), POINTER(c_int32)]),
    "hnas_supernet_get_opts": (None, [POINTER(hnas_supernet),
        POINTER(hnas_supernet_opts), c_size_t]),
    "hnas_supernet_get_params": (POINTER(hnas_params), [
        POINTER(hnas_supernet)]),
    "hnas_supernet_get_weights_at": (c_int32, [POINTER(POINTER(hnas_params)),
        POINTER(hnas_supernet), c_double]),
    "hnas_supernet_opts_init": (None, [POINTER(hnas_supernet_opts), c_size_t]),
    "hnas_supernet_pass_init": (None, [POINTER(hnas_supernet_pass), c_size_t]),
    "hnas_supernet_read_cost_table": (c_int32, [POINTER(hnas_supernet),
        c_char_p, c_size_t]),
    "hnas_supernet_set_cost_table": (c_int32, [POINTER(hnas_supernet),
        POINTER(POINTER(c_double)), c_int64, c_double]),
    "hnas_supernet_update_norms": (None, [POINTER(hnas_supernet), c_double]),
    "hnas_tape_backward": (c_int32, [POINTER(hnas_tape),
        POINTER(hnas_tensor)]),
    "hnas_tape_create": (c_int32, [POINTER(POINTER(hnas_tape)),
        POINTER(hnas_context)]),
    "hnas_tape_defer": (None, [POINTER(hnas_tape)]),
    "hnas_tape_destroy": (None, [POINTER(hnas_tape)]),
    "hnas_tape_get_count": (c_int64, [POINTER(hnas_tape)]),
    "hnas_tape_get_memory": (None, [POINTER(hnas_tape), POINTER(c_size_t),
        POINTER(c_size_t)]),
    "hnas_tape_reset": (c_int32, [POINTER(hnas_tape), c_int32]),
    "hnas_tape_run": (c_int32, [POINTER(hnas_tape)]),
    "hnas_tape_tangent": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor),
        POINTER(POINTER(hnas_tensor)), POINTER(POINTER(hnas_tensor)),
        c_int64]),
    "hnas_tensor_clear_gradient": (None, [POINTER(hnas_tensor)]),
    "hnas_tensor_create": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_context), c_int32, c_int32, POINTER(c_int64)]),
    "hnas_tensor_get": (c_int32, [POINTER(hnas_tensor), c_int32, c_void_p,
        c_int64]),
    "hnas_tensor_get_array": (c_int32, [POINTER(hnas_tensor),
        POINTER(hnas_array)]),
    "hnas_tensor_get_count": (c_int64, [POINTER(hnas_tensor)]),
    "hnas_tensor_get_gradient": (c_int32, [POINTER(hnas_tensor), c_int32,
        c_void_p, c_int64]),
    "hnas_tensor_ref": (POINTER(hnas_tensor), [POINTER(hnas_tensor)]),
    "hnas_tensor_set": (c_int32, [POINTER(hnas_tensor), c_int32, c_void_p,
        c_int64]),
    "hnas_tensor_set_wanted": (c_int32, [POINTER(hnas_tensor), c_int32]),
    "hnas_tensor_unref": (None, [POINTER(hnas_tensor)]),
    "hnas_tensor_view": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tensor), c_int32, c_int64, c_int64]),
    "hnas_tensor_wrap": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_context), POINTER(hnas_array)]),
    "hnas_train_opts_init": (None, [POINTER(hnas_train_opts), c_size_t]),
    "hnas_version": (c_char_p, []),
    "hnas_weighted_norm": (c_int32, [POINTER(POINTER(hnas_tensor)),
        POINTER(hnas_tape), POINTER(hnas_tensor), POINTER(hnas_tensor),
        c_int32]),
}

# name: {index of an argument that is a whole number: its name}
WHOLE: Dict[str, Dict[int, str]] = {
    "hnas_adam_create": {3: "n"},
    "hnas_adam_opts_init": {1: "size"},
    "hnas_arch_derive": {4: "rule"},
    "hnas_arch_from_alpha": {3: "rule", 4: "metric"},
    "hnas_arch_from_alpha_threshold": {4: "metric"},
    "hnas_arch_from_edges": {2: "nodes", 3: "rule"},
    "hnas_arch_get_edge_count": {1: "kind"},
    "hnas_arch_get_edges": {1: "kind"},
    "hnas_arch_get_node_count": {1: "kind"},
    "hnas_arch_read": {3: "length"},
    "hnas_arch_read_json": {3: "length"},
    "hnas_arch_write_dot": {2: "capacity"},
    "hnas_arch_write_json": {2: "capacity"},
    "hnas_arch_write_svg": {2: "capacity"},
    "hnas_arch_write_text": {2: "capacity"},
    "hnas_avg_pool_3x3": {3: "stride"},
    "hnas_batches_get": {1: "epoch", 2: "index"},
    "hnas_batches_opts_init": {1: "size"},
    "hnas_bilevel_opts_init": {1: "size"},
    "hnas_bilevel_step": {2: "n_lambda"},
    "hnas_cell_apply": {5: "flags"},
    "hnas_concat": {3: "n_x"},
    "hnas_confusion_measure": {1: "classes"},
    "hnas_context_opts_init": {1: "size"},
    "hnas_conv_opts_init": {1: "size"},
    "hnas_dataset_moments": {1: "n_images"},
    "hnas_explorer_opts_init": {1: "size"},
    "hnas_file_keep": {2: "n_files"},
    "hnas_file_replace": {3: "size_bytes"},
    "hnas_func_apply": {4: "n_in"},
    "hnas_hyper_apply": {3: "table"},
    "hnas_hyper_eval": {1: "count", 3: "table"},
    "hnas_hyper_get_opts": {2: "size"},
    "hnas_hyper_opts_init": {1: "size"},
    "hnas_hyper_project": {1: "table", 4: "clip"},
    "hnas_kernels_measure": {1: "size", 3: "index"},
    "hnas_max_pool_3x3": {3: "stride"},
    "hnas_mix": {3: "n_x"},
    "hnas_model_calibrate": {2: "first"},
    "hnas_model_evaluate": {3: "count"},
    "hnas_model_get_opts": {2: "size"},
    "hnas_model_opts_init": {1: "size"},
    "hnas_model_predict": {3: "count"},
    "hnas_norm_create": {2: "channels", 3: "affine"},
    "hnas_op_builder_alloc": {2: "size_bytes"},
    "hnas_op_builder_norm": {3: "channels"},
    "hnas_op_get": {1: "index"},
    "hnas_op_get_cost": {1: "height", 2: "width"},
    "hnas_params_get_elements": {1: "kind"},
    "hnas_params_get_kind": {1: "index"},
    "hnas_params_get_name": {1: "index"},
    "hnas_params_get_tensor": {1: "index"},
    "hnas_path_find_budget": {2: "metric", 3: "limit"},
    "hnas_path_get_arch": {2: "index"},
    "hnas_path_get_piece": {1: "index"},
    "hnas_path_get_table_cost": {1: "index"},
    "hnas_path_opts_init": {1: "size"},
    "hnas_path_pareto": {3: "metric"},
    "hnas_path_write_change": {1: "index", 3: "capacity"},
    "hnas_path_write_json": {2: "capacity"},
    "hnas_predictor_create": {2: "n_threads"},
    "hnas_predictor_run": {3: "count"},
    "hnas_predictor_share": {2: "n_threads"},
    "hnas_predictor_switch": {1: "index"},
    "hnas_preset_find": {1: "size"},
    "hnas_preset_fit": {1: "cells"},
    "hnas_relax_gumbel": {5: "hard"},
    "hnas_schedule_cosine": {2: "step", 3: "n_steps"},
    "hnas_search_calibrate": {4: "draw", 5: "first"},
    "hnas_search_derive": {3: "rule"},
    "hnas_search_diagnose": {3: "size"},
    "hnas_search_get_opts": {2: "size"},
    "hnas_search_hessian": {4: "iterations"},
    "hnas_search_loss": {5: "kind"},
    "hnas_search_opts_init": {1: "size"},
    "hnas_search_predict": {4: "draw", 6: "count"},
    "hnas_search_step": {4: "n_lambda"},
    "hnas_set_calibrate": {2: "first"},
    "hnas_set_create_predictor": {2: "n_threads"},
    "hnas_set_find_budget": {2: "metric", 3: "limit"},
    "hnas_set_get_member": {1: "index"},
    "hnas_set_get_model": {2: "index"},
    "hnas_set_measure": {1: "repeats"},
    "hnas_sgd_create": {3: "n"},
    "hnas_sgd_opts_init": {1: "size"},
    "hnas_status_name": {0: "status"},
    "hnas_supernet_apply": {5: "flags"},
    "hnas_supernet_get_cell": {1: "cell"},
    "hnas_supernet_get_costs": {1: "kind", 2: "metric", 4: "count"},
    "hnas_supernet_get_kind": {1: "kind"},
    "hnas_supernet_get_opts": {2: "size"},
    "hnas_supernet_opts_init": {1: "size"},
    "hnas_supernet_pass_init": {1: "size"},
    "hnas_supernet_read_cost_table": {2: "length"},
    "hnas_supernet_set_cost_table": {2: "count"},
    "hnas_tape_reset": {1: "mode"},
    "hnas_tape_tangent": {5: "n"},
    "hnas_tensor_create": {2: "dtype", 3: "rank"},
    "hnas_tensor_get": {1: "dtype", 3: "count"},
    "hnas_tensor_get_gradient": {1: "dtype", 3: "count"},
    "hnas_tensor_set": {1: "dtype", 3: "count"},
    "hnas_tensor_set_wanted": {1: "wanted"},
    "hnas_tensor_view": {2: "axis", 3: "first", 4: "count"},
    "hnas_train_opts_init": {1: "size"},
    "hnas_weighted_norm": {4: "power"},
}
