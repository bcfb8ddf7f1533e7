#!/usr/bin/env bash
# inspect_test.sh - models in numbers, against what is known of them.
. "$(dirname "$0")/lib.sh"

json "models/tiny" 0 'j["family"] == "deepseek_v3" and j["width"] == 256 and len(j["layers"]) == 6 and j["context"] == 1024
  and j["layers"][0]["ffn"] == "dense" and j["layers"][1] == {"attention": "mla", "heads": 8, "kv_rank": 64, "ffn": "moe",
  "hidden": 96, "experts": 16, "picks": 2, "shared_hidden": 96} and j["machine"]["fits"] and "BF16" in j["weights"]' \
  -- "$w" models inspect models/tiny -o json
# 80 experts of three 256 x 96 matrices; a token uses 2 of 16.
json "its parameters" 0 '{k["kind"]: k["parameters"] for k in j["kinds"]}["routed experts"] == 80 * 3 * 256 * 96
  and j["parameters"] == sum(k["parameters"] for k in j["kinds"]) and j["expert_bytes"] == 3 * 256 * 96 * 2
  and j["parameters"] - j["active_parameters"] == 5 * 14 * 3 * 256 * 96 + 4096 * 256' -- "$w" models inspect models/tiny -o json
json "its bytes are those of its file" 0 "abs(j['bytes'] - $(stat -c %s models/tiny/model.safetensors)) < 65536" -- "$w" models inspect models/tiny -o json
json "KV: latent and rotary part, FP32, in six layers" 0 'j["kv_bytes_per_token"] == 6 * (64 + 16) * 4' -- "$w" models inspect models/tiny -o json
try "as a table" 0 "deepseek_v3" "16 experts of 96, 2 picked" "this machine" "fits" "worker" -- "$w" models inspect models/tiny
try "KV memory that this machine does not have" 0 "does not fit" -- "$w" models inspect models/tiny --kv-bytes 1T

# DeepSeek-V3 as published: 671 B parameters without its MTP layer, 37 B active.
mkdir "$tmp/v3"
cat >"$tmp/v3/config.json" <<'J'
{"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168,
 "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128,
 "num_key_value_heads": 128, "n_shared_experts": 1, "n_routed_experts": 256, "routed_scaling_factor": 2.5,
 "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 128,
 "topk_method": "noaux_tc", "n_group": 8, "topk_group": 4, "num_experts_per_tok": 8, "moe_layer_freq": 1,
 "first_k_dense_replace": 3, "norm_topk_prob": true, "scoring_func": "sigmoid", "hidden_act": "silu",
 "max_position_embeddings": 163840, "rms_norm_eps": 1e-06, "rope_theta": 10000, "attention_bias": false,
 "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 1}
J
json "a config.json alone" 0 'j["weights"] is None and round(j["parameters"] / 1e9) == 671 and round(j["active_parameters"] / 1e9) == 37
  and j["bytes"] == 2 * j["parameters"]' -- "$w" models inspect "$tmp/v3" -o json
json "workers that would hold it" 0 'all(p["workers"] >= q["workers"] for p, q in zip(j["workers"], j["workers"][1:]))
  and j["workers"][-1]["workers"] == 1 and all(p["workers"] * p["experts_each"] >= 58 * 256 and
  p["experts_each"] * j["expert_bytes"] <= p["memory_bytes"] for p in j["workers"])' -- "$w" models inspect "$tmp/v3" -o json
try "says so" 0 "if they were BF16: the folder has no weights" -- "$w" models inspect "$tmp/v3"
json "the file itself" 0 'round(j["parameters"] / 1e9) == 671' -- "$w" models inspect "$tmp/v3/config.json" -o json

weights=${WITAN_SHARED:-../shared}/data/weights
if [ -d "$weights" ]; then
  for m in stories260K stories260K-moe4; do
    mkdir "$tmp/$m"
    cp "$weights/$m.config.json" "$tmp/$m/config.json"
    cp "$weights/$m.safetensors" "$tmp/$m/model.safetensors"
    json "$m" 0 'j["weights"] == "F32" and j["bytes"] == 4 * j["parameters"] and j["width"] == 64' -- "$w" models inspect "$tmp/$m" -o json
  done
  json "a dense model has no experts" 0 'j["workers"] == [] and j["parameters"] - j["active_parameters"] in (0, 512 * 64)' \
    -- "$w" models inspect "$tmp/stories260K" -o json
else
  echo "# skipped: stories260K, there is no $weights"
fi

try "no folder" 2 "takes a model folder" -- "$w" models inspect
try "a folder that is not there" 1 "there is no" "name a model folder" -- "$w" models inspect "$tmp/none"
mkdir "$tmp/empty"
try "a folder without a model" 1 "config.json" "Hugging Face" -- "$w" models inspect "$tmp/empty"
cp -r models/tiny "$tmp/cut"
truncate -s 1000000 "$tmp/cut/model.safetensors"
try "a truncated file" 1 "model.safetensors" -- "$w" models inspect "$tmp/cut"
sed 's/deepseek_v3/deepseek_v9/' "$tmp/v3/config.json" >"$tmp/v9.json"
try "a family that nobody knows" 1 "deepseek_v9" -- "$w" models inspect "$tmp/v9.json"
try "a config that is no JSON" 1 "lib.sh" -- "$w" models inspect tests/cli/lib.sh
try "the subcommand, mistyped" 2 'did you mean "witan models inspect"?' -- "$w" models inspct
mkdir "$tmp/mute" && cp models/tiny/config.json models/tiny/model.safetensors "$tmp/mute/"
try "a folder without a tokenizer" 0 "no tokenizer.json, it cannot be served" -- "$w" models inspect "$tmp/mute"
done_testing
