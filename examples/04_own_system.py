"""A machine that nobody has built: from a system of the catalogue, as a dict, with its own network."""

import slipstick

system = slipstick.system(
    {
        "base": "b200-sxm-180gb",
        "name": "pod of 512",
        "devices": 512,
        "memory": {"hbm": {"capacity": "288 GiB", "bandwidth": "16 TB/s"}},
        "network": {"nvlink": {"domain": 64}},
        "source": "assumed: for this example",
    }
)
report = slipstick.estimate("llama-3.1-405b", system, "tp=8,pp=8,sp=true,zero=1", batch=512, training_tokens=1e12)
print(report.table())
