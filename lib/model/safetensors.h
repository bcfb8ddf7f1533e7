/* safetensors.h - the header of a safetensors file: JSON, name -> dtype, shape, data_offsets. */
#ifndef WITAN_MODEL_SAFETENSORS_H
#define WITAN_MODEL_SAFETENSORS_H
#include "model/tensors.h"

/* Appends the tensors of a header to s, for file; data starts at data_at and has data_bytes.
 * keep (or NULL) says for each name whether the tensor is wanted from this file; all are
 * checked. Refused: what is no header, offsets that are not a cover of the data without hole or
 * overlap, bytes that are not dtype times shape. Reads only the text that it is given. */
wt_err wt_safetensors_header(wt_source *s, uint32_t file, const char *text, size_t len,
                             uint64_t data_at, uint64_t data_bytes,
                             bool (*keep)(void *arg, const char *name), void *arg);
#endif
