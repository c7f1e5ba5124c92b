"""A function that happens once, in a process of its own: `charge.py ADDRESS ORDER CENTS HOW` prints its result.

HOW: `work` takes a moment, `hang` never comes back. Every time it really happens is a line of the ledger.
"""

import json
import os
import sys
import time

from once import once

LEASE = 1.0


def charges(address, moment=0.3):
    """Makes the function for a service."""

    @once(key=lambda order, cents: f"shop/charge/{order}", lease=LEASE, patience=20, address=address)
    def charge(order, cents):
        line = json.dumps({"key": order, "cents": cents, "pid": os.getpid()}) + "\n"
        with open(os.environ["LEDGER"], "a") as ledger:
            ledger.write(line)
        time.sleep(moment)
        return {"order": order, "pid": os.getpid()}

    return charge


if __name__ == "__main__":
    address, order, cents, how = sys.argv[1:]
    moment = {"work": 0.3, "hang": 3600}[how]
    print(json.dumps(charges(address, moment)(order, int(cents))))
