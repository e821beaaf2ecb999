"""What the core needs from outside, one Protocol per outside thing.

Failures of the outside are of three kinds, and each asks for something else: ``Unavailable`` (nothing happened, try
later), ``Rejected`` (a person must act) and ``Unknown`` (it may have happened: look before doing it again).
"""
