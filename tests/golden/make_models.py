#!/usr/bin/env python3
"""Makes tiny random models of each family with awkward shapes, and what transformers says of them.

    make_models.py OUT [--seed N] [--only NAME]

OUT/NAME/ gets config.json, model.safetensors (BF16, some FP32) and vectors.safetensors with:
  ids (T)            the prompt, T = 300
  logprobs (T, V)    log-softmax of the logits after each position, FP32
  hidden.L (P, D)    residual stream after layer L at the positions `at` (P)
  picks.L (T, K)     experts picked by MoE layer L, ascending
  greedy (64)        the greedy continuation of ids[:40]
  margins (2)        smallest distance between pick K and K+1; smallest greedy margin
A seed whose margins are too small to be decided in FP32 (1e-4, 1e-3) is redrawn; the count is printed.
Needs torch 2.13 and transformers 5.24 (deepseek_v2 and v3 of many other releases are wrong)."""
import argparse, json, os
import torch
from safetensors.torch import save_file
from transformers import (DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM,
                          LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM)

T, PROMPT, GREEDY = 300, 40, 64
AT = [0, 1, 15, 16, 62, 63, 64, 65, 127, 128, 200, 299]
GATE_MARGIN, GREEDY_MARGIN = 1e-4, 1e-3

YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=40.0, original_max_position_embeddings=64,
            beta_fast=32.0, beta_slow=1.0)
DEEPSEEK = dict(vocab_size=163, hidden_size=72, num_attention_heads=6, num_key_value_heads=6,
                kv_lora_rank=40, qk_nope_head_dim=24, qk_rope_head_dim=12, v_head_dim=20,
                intermediate_size=100, moe_intermediate_size=28, rms_norm_eps=1e-6,
                max_position_embeddings=2560, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1)

FAMILIES = {
    "v2lite": (DeepseekV2ForCausalLM, DeepseekV2Config, dict(
        DEEPSEEK, num_hidden_layers=3, first_k_dense_replace=1, q_lora_rank=None, n_routed_experts=11,
        n_shared_experts=2, num_experts_per_tok=3, topk_method="greedy", n_group=1, topk_group=1,
        norm_topk_prob=False, routed_scaling_factor=1.0,
        rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))),
    "v2": (DeepseekV2ForCausalLM, DeepseekV2Config, dict(
        DEEPSEEK, num_hidden_layers=3, first_k_dense_replace=1, q_lora_rank=28, n_routed_experts=12,
        n_shared_experts=2, num_experts_per_tok=3, topk_method="group_limited_greedy", n_group=4,
        topk_group=2, norm_topk_prob=False, routed_scaling_factor=4.0,
        rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))),
    "v3": (DeepseekV3ForCausalLM, DeepseekV3Config, dict(
        DEEPSEEK, num_hidden_layers=4, first_k_dense_replace=2, q_lora_rank=28, n_routed_experts=12,
        n_shared_experts=1, num_experts_per_tok=4, n_group=4, topk_group=2, norm_topk_prob=True,
        routed_scaling_factor=2.5, rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0))),
    # What "v3" is too tame for: biases that are all negative (a dropped group masked with 0 would win), no
    # q_lora, two shared experts, an rms_norm_eps that is not the latent norms' 1e-6, unequal mscales.
    "v3neg": (DeepseekV3ForCausalLM, DeepseekV3Config, dict(
        DEEPSEEK, num_hidden_layers=3, first_k_dense_replace=1, q_lora_rank=None, n_routed_experts=12,
        n_shared_experts=2, num_experts_per_tok=3, n_group=3, topk_group=2, norm_topk_prob=True,
        routed_scaling_factor=1.7, rms_norm_eps=1e-3,
        rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=1.2))),
    "mixtral": (MixtralForCausalLM, MixtralConfig, dict(
        vocab_size=151, hidden_size=60, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
        intermediate_size=44, num_local_experts=7, num_experts_per_tok=2, rms_norm_eps=1e-5,
        max_position_embeddings=512, sliding_window=None, tie_word_embeddings=False,
        rope_parameters=dict(rope_type="default", rope_theta=1e6), bos_token_id=0, eos_token_id=1)),
    "llama": (LlamaForCausalLM, LlamaConfig, dict(
        vocab_size=149, hidden_size=56, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=18, intermediate_size=90, rms_norm_eps=1e-5, max_position_embeddings=512,
        tie_word_embeddings=True, rope_parameters=dict(
            rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=64), bos_token_id=0, eos_token_id=1)),
}


BIAS = {"v3neg": (-1.6, 0.15)}                           # mean and spread; elsewhere of both signs


def randomise(model, gen, bias):
    """Weights that keep the residual stream O(1), make gates decide and logits spread."""
    for name, p in list(model.named_parameters()) + list(model.named_buffers()):
        if name.endswith("inv_freq") or not torch.is_floating_point(p):
            continue
        r = torch.randn(p.shape, generator=gen)
        if name.endswith("e_score_correction_bias"):
            p.data = (r * bias[1] + bias[0]).float()
        elif p.dim() == 1:
            p.data = (1 + 0.2 * r).bfloat16().float()
        elif "embed_tokens" in name:
            p.data = (r * (0.3 if model.config.tie_word_embeddings else 1.0)).bfloat16().float()
        elif name.endswith("gate.weight") or "router" in name:
            p.data = (r * 1.5 / p.shape[-1] ** 0.5).bfloat16().float()
        elif "lm_head" in name:
            p.data = (r * 2.0 / p.shape[-1] ** 0.5).bfloat16().float()
        else:
            p.data = (r / p.shape[-1] ** 0.5).bfloat16().float()


class Gates:
    """Watches the gates: what they picked, and how clearly."""
    def __init__(self, model, config):
        self.picks, self.margin = {}, float("inf")
        self.config = config
        for i, layer in enumerate(model.model.layers):
            gate = getattr(layer.mlp, "gate", None)
            if gate is not None and hasattr(layer.mlp, "experts"):
                gate.register_forward_hook(lambda m, a, out, i=i: self.see(i, m, a))

    def see(self, i, gate, args):
        c, x = self.config, args[0].reshape(-1, args[0].shape[-1]).float()
        z = x @ gate.weight.float().t()
        k = c.num_experts_per_tok
        if c.model_type == "mixtral":
            s = z
        elif c.model_type == "deepseek_v2":
            s = z.softmax(-1)
        else:
            s = z.sigmoid() + gate.e_score_correction_bias
        groups = getattr(c, "n_group", 1) or 1
        if groups > 1:
            g = s.view(len(s), groups, -1)
            score = g.amax(-1) if c.model_type == "deepseek_v2" else g.topk(2, -1).values.sum(-1)
            top = score.sort(-1, descending=True)
            kept = top.indices[:, :c.topk_group]
            self.margin = min(self.margin, (top.values[:, c.topk_group - 1] - top.values[:, c.topk_group]).min().item())
            mask = torch.zeros_like(score).scatter_(1, kept, 1.0)
            s = s.view(len(s), groups, -1).masked_fill(mask[..., None] == 0, -float("inf")).flatten(1)
        top = s.sort(-1, descending=True)
        self.margin = min(self.margin, (top.values[:, k - 1] - top.values[:, k]).min().item())
        self.picks.setdefault(i, []).append(top.indices[:, :k].sort(-1).values)


def one(name, seed):
    cls, conf, kw = FAMILIES[name]
    gen = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    config = conf(**kw)
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = cls(config).float().eval()
    randomise(model, gen, BIAS.get(name, (0.0, 0.15)))
    if config.tie_word_embeddings:
        model.tie_weights()
    ids = torch.randint(2, config.vocab_size, (1, T), generator=gen)
    ids[0, 0] = 0
    gates = Gates(model, config)
    with torch.no_grad():
        out = model(ids, output_hidden_states=True, use_cache=False)
        logprobs = out.logits[0].float().log_softmax(-1)
        vectors = {"ids": ids[0].float(), "logprobs": logprobs, "at": torch.tensor(AT).float()}
        hidden = []
        hooks = [l.register_forward_hook(lambda m, a, o: hidden.append(o[0] if isinstance(o, tuple) else o))
                 for l in model.model.layers]
        gates.picks.clear()
        model(ids, use_cache=False)
        for i, h in enumerate(hidden):
            vectors[f"hidden.{i}"] = h.reshape(T, -1)[AT].float()
        for i, p in gates.picks.items():
            vectors[f"picks.{i}"] = p[0].float()
        for h in hooks:
            h.remove()
        run, margin = ids[:, :PROMPT], float("inf")
        for _ in range(GREEDY):
            z = model(run, use_cache=False).logits[0, -1]
            best = z.topk(2).values
            margin = min(margin, (best[0] - best[1]).item())
            run = torch.cat((run, z.argmax().view(1, 1)), 1)
        vectors["greedy"] = run[0, PROMPT:].float()
    vectors["margins"] = torch.tensor([min(gates.margin, 9.0), margin])
    return model, config, vectors, gates.margin, margin


def tensors(model, config):
    """As a published checkpoint has them: per-expert Hugging Face names, BF16, biases in FP32."""
    out = {}
    for name, t in model.state_dict().items():
        t = t.detach()
        if config.tie_word_embeddings and name == "lm_head.weight":
            continue
        if name.endswith("experts.gate_up_proj"):
            names = ("w1", "w3") if config.model_type == "mixtral" else ("gate_proj", "up_proj")
            base = name[:-len("gate_up_proj")].replace(".mlp.", ".block_sparse_moe.") \
                if config.model_type == "mixtral" else name[:-len("gate_up_proj")]
            for e in range(t.shape[0]):
                g, u = t[e].chunk(2, 0)
                out[f"{base}{e}.{names[0]}.weight"] = g.bfloat16().contiguous()
                out[f"{base}{e}.{names[1]}.weight"] = u.bfloat16().contiguous()
        elif name.endswith("experts.down_proj"):
            last = "w2" if config.model_type == "mixtral" else "down_proj"
            base = name[:-len("down_proj")].replace(".mlp.", ".block_sparse_moe.") \
                if config.model_type == "mixtral" else name[:-len("down_proj")]
            for e in range(t.shape[0]):
                out[f"{base}{e}.{last}.weight"] = t[e].bfloat16().contiguous()
        else:
            if config.model_type == "mixtral":
                name = name.replace(".mlp.gate.", ".block_sparse_moe.gate.")
            keep = name.endswith("e_score_correction_bias")
            out[name] = t.float().contiguous() if keep else t.bfloat16().contiguous()
    return out


def config_json(config):
    """The spelling of published checkpoints (rope_scaling, rope_theta, torch_dtype) for the DeepSeek
    families; the newer one (rope_parameters) for the others, so that both are read."""
    c = json.loads(config.to_json_string(use_diff=False))
    drop = [k for k, v in c.items() if k.startswith("_") or k in ("transformers_version", "id2label", "label2id")]
    for k in drop:
        c.pop(k)
    c["architectures"] = [{"deepseek_v2": "DeepseekV2ForCausalLM", "deepseek_v3": "DeepseekV3ForCausalLM",
                           "mixtral": "MixtralForCausalLM", "llama": "LlamaForCausalLM"}[c["model_type"]]]
    if c["model_type"].startswith("deepseek"):
        rope = c.pop("rope_parameters")
        c["rope_theta"] = rope.pop("rope_theta")
        rope["type"] = rope.pop("rope_type")
        c["rope_scaling"] = rope
        c["torch_dtype"] = "bfloat16"
        c.pop("dtype", None)
        c["scoring_func"] = "softmax" if c["model_type"] == "deepseek_v2" else "sigmoid"
        if c["model_type"] == "deepseek_v3":
            c["topk_method"] = "noaux_tc"
    return c


def main():
    a = argparse.ArgumentParser()
    a.add_argument("out")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--only")
    a = a.parse_args()
    for name in FAMILIES:
        if a.only and a.only != name:
            continue
        redrawn, seed = 0, a.seed * 1000
        while True:
            model, config, vectors, gate, greedy = one(name, seed)
            if gate >= GATE_MARGIN and greedy >= GREEDY_MARGIN:
                break
            redrawn, seed = redrawn + 1, seed + 1
        folder = os.path.join(a.out, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config_json(config), f, indent=1, sort_keys=True)
            f.write("\n")
        save_file(tensors(model, config), os.path.join(folder, "model.safetensors"), {"format": "pt"})
        save_file({k: v.contiguous() for k, v in vectors.items()},
                  os.path.join(folder, "vectors.safetensors"))
        print(f"{name}: seed {seed}, {redrawn} redrawn, smallest gate margin {gate:.2e}, "
              f"smallest greedy margin {greedy:.2e}", flush=True)


main()
