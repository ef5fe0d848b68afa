"""What is sent of a step: the record of the training thread (record.py) and the safetensors body that is made of it (body.py)."""
