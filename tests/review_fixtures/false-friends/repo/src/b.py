from typing import Callable
apply: Callable[[int], int] = lambda x: x
glue = "paste"
kinesis = "movement"
