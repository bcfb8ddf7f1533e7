#!/usr/bin/env python3
"""Writes processors.json: what transformers' own logit processors and warpers do to random logits.

    make_processors.py > tests/golden/processors.json

Each case: logits, prompt ids, ids made, options, and `want`: the processed logits before temperature
(null where nothing but the draw is concerned) and `kept`, the ids that top_k, top_p and min_p leave, with
their probabilities. frequency and presence are OpenAI's formula (transformers has none), written out."""
import json
import sys

import torch
from transformers.generation.logits_process import (MinPLogitsWarper, RepetitionPenaltyLogitsProcessor,
                                                    TemperatureLogitsWarper, TopKLogitsWarper,
                                                    TopPLogitsWarper)

V = 48
gen = torch.Generator().manual_seed(7)
cases = []
options = [
    dict(repetition_penalty=1.25), dict(repetition_penalty=0.8), dict(frequency_penalty=0.5),
    dict(frequency_penalty=-0.7, presence_penalty=0.4), dict(presence_penalty=2.0),
    dict(bias=[[3, 100.0], [7, -100.0], [9, 0.5]]),
    dict(repetition_penalty=1.5, frequency_penalty=0.3, bias=[[5, -2.0]], temperature=0.7),
    dict(top_k=5), dict(top_p=0.8), dict(min_p=0.1), dict(top_k=20, top_p=0.9, min_p=0.05, temperature=1.5),
    dict(top_p=0.6, temperature=0.5), dict(min_p=0.3, temperature=2.0), dict(top_k=1), dict(min_p=1.0),
]
for o in options:
    z = (torch.randn(V, generator=gen) * 2.5).float()
    prompt = torch.randint(0, V, (9,), generator=gen).tolist()
    made = torch.randint(0, V, (7,), generator=gen).tolist()
    made += made[:2]
    x = z[None].clone()
    ids = torch.tensor([prompt + made])
    if "repetition_penalty" in o:
        x = RepetitionPenaltyLogitsProcessor(o["repetition_penalty"])(ids, x)
    count = torch.bincount(torch.tensor(made), minlength=V).float()
    x = x - count * o.get("frequency_penalty", 0.0) - (count > 0).float() * o.get("presence_penalty", 0.0)
    for i, b in o.get("bias", []):
        x[0, i] += b
    processed = x[0].clone()
    x = TemperatureLogitsWarper(float(o.get("temperature", 1.0)))(ids, x)
    if "top_k" in o:
        x = TopKLogitsWarper(o["top_k"])(ids, x)
    if "top_p" in o:
        x = TopPLogitsWarper(o["top_p"])(ids, x)
    if "min_p" in o:
        x = MinPLogitsWarper(o["min_p"])(ids, x)
    p = x[0].double().softmax(-1)
    kept = [i for i in range(V) if p[i] > 0]
    cases.append(dict(options=o, logits=z.tolist(), prompt=prompt, made=made, processed=processed.tolist(),
                      kept=kept, probability=[p[i].item() for i in kept]))
# Case H07 of the public reports: a negative logit of a seen token becomes less likely.
cases.append(dict(options=dict(repetition_penalty=1.25), logits=[-9.0] * 5 + [3.0, -2.0, 0.0, 1.0],
                  prompt=[5, 6], made=[7, 5], processed=[-9.0] * 5 + [2.4, -2.5, 0.0, 1.0], kept=None,
                  probability=None))
json.dump(cases, sys.stdout, indent=None, separators=(",", ":"))
sys.stdout.write("\n")
