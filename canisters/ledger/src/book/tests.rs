use super::*;
use candid::Principal;

const NOW: u64 = 10 * WINDOW;
const FEE: u128 = 10;

fn principal(n: u8) -> Principal {
    Principal::from_slice(&[n])
}

fn key(n: u8) -> Key {
    Account::of(principal(n), None).key().unwrap()
}

/// Account 1 makes tokens, account 9 has 500 from the start.
fn book() -> Book {
    let rules = Rules {
        fee: FEE,
        key: Account::key,
        minting: || Some(Account::of(principal(1), None)),
        opening: |account| if *account == key(9) { 500 } else { 0 },
    };
    let mut book = Book::open(&MemoryManager::init(DefaultMemoryImpl::default()), rules);
    book.mint(&key(2), 1_000, None, NOW);
    book
}

fn movement(from: u8, to: Option<u8>, amount: u128) -> Movement {
    Movement {
        from: key(from),
        to: to.map(key),
        spender: None,
        amount,
        fee: None,
        memo: None,
        created_at: None,
        request: Vec::new(),
    }
}

fn approval(from: u8, spender: u8, amount: u128) -> Approval {
    Approval {
        from: key(from),
        spender: key(spender),
        amount,
        expected: None,
        expires_at: None,
        fee: None,
        memo: None,
        created_at: None,
        request: Vec::new(),
    }
}

#[test]
fn what_one_loses_the_other_gets_and_the_fee_is_burned() {
    let mut book = book();
    let block = book.transfer(movement(2, Some(3), 100), NOW).unwrap();
    assert_eq!([2, 3].map(|n| book.balance(&key(n))), [890, 100]);
    assert_eq!(book.supply(), 990);
    let entry = book.entry(block).unwrap();
    let expected = Operation::Transfer {
        from: ByteBuf::from(key(2)),
        to: ByteBuf::from(key(3)),
        spender: None,
        amount: 100,
        fee: FEE,
    };
    assert_eq!(entry.operation, expected);
    assert!(entry.parent.is_some(), "the log is a chain");
}

#[test]
fn too_much_a_wrong_fee_or_a_long_memo_change_nothing() {
    let mut book = book();
    let too_much = book.transfer(movement(2, Some(3), 991), NOW);
    assert_eq!(too_much, Err(Refused::InsufficientFunds { balance: 1_000 }));
    let wrong_fee = Movement { fee: Some(9), ..movement(2, Some(3), 1) };
    assert_eq!(book.transfer(wrong_fee, NOW), Err(Refused::BadFee { expected: FEE }));
    let memo = Some(Memo::Bytes(ByteBuf::from(vec![0; 33])));
    assert!(book.transfer(Movement { memo, ..movement(2, Some(3), 1) }, NOW).is_err());
    assert!(book.transfer(movement(2, Some(3), u128::MAX), NOW).is_err(), "no wrapping around");
    assert_eq!((book.balance(&key(2)), book.log_length()), (1_000, 1));
}

#[test]
fn the_minting_account_makes_and_burns_without_fee() {
    let mut book = book();
    book.transfer(movement(1, Some(3), 100), NOW).unwrap();
    assert_eq!((book.balance(&key(3)), book.supply()), (100, 1_100));
    book.transfer(movement(3, Some(1), 60), NOW).unwrap();
    assert_eq!((book.balance(&key(3)), book.supply()), (40, 1_040));
    let little = book.transfer(movement(3, Some(1), 9), NOW);
    assert_eq!(little, Err(Refused::BadBurn { least: FEE }));
    assert!(book.transfer(movement(1, Some(1), 5), NOW).is_err());
}

#[test]
fn what_leaves_the_ledger_costs_the_fee() {
    let mut book = book();
    book.transfer(movement(2, None, 100), NOW).unwrap();
    assert_eq!((book.balance(&key(2)), book.supply()), (890, 890));
}

#[test]
fn an_opening_balance_is_given_once() {
    let mut book = book();
    assert_eq!(book.balance(&key(9)), 500);
    book.transfer(movement(2, Some(9), 100), NOW).unwrap();
    assert_eq!(book.balance(&key(9)), 600);
    book.transfer(movement(9, Some(3), 590), NOW).unwrap();
    assert_eq!(book.balance(&key(9)), 0);
    let empty = book.transfer(movement(9, Some(3), 1), NOW);
    assert_eq!(empty, Err(Refused::InsufficientFunds { balance: 0 }));
    let sum: u128 = [2, 3, 9].iter().map(|n| book.balance(&key(*n))).sum();
    assert_eq!(book.supply(), sum);
}

#[test]
fn a_request_with_a_time_is_carried_out_once() {
    let mut book = book();
    let request = |created_at, request: &[u8]| Movement {
        created_at: Some(created_at),
        request: request.to_vec(),
        ..movement(2, Some(3), 1)
    };
    let first = book.transfer(request(NOW, b"a"), NOW).unwrap();
    assert_eq!(book.transfer(request(NOW, b"a"), NOW + 1), Err(Refused::Duplicate { of: first }));
    book.transfer(request(NOW, b"b"), NOW).unwrap();
    book.transfer(request(NOW + 1, b"a"), NOW).unwrap();
    let old = book.transfer(request(NOW - WINDOW - DRIFT - 1, b"a"), NOW);
    assert_eq!(old, Err(Refused::TooOld));
    let early = book.transfer(request(NOW + DRIFT + 1, b"a"), NOW);
    assert_eq!(early, Err(Refused::CreatedInFuture { now: NOW }));
    // What is forgotten is too old by then.
    let later = NOW + WINDOW + DRIFT + 2;
    assert_eq!(book.transfer(request(NOW, b"a"), later), Err(Refused::TooOld));
    assert_eq!(book.recent.len(), 0);
}

#[test]
fn a_spender_takes_what_he_may_and_no_more() {
    let mut book = book();
    let by_3 = |amount| Movement { spender: Some(key(3)), ..movement(2, Some(4), amount) };
    let none = book.transfer(by_3(1), NOW);
    assert_eq!(none, Err(Refused::InsufficientAllowance { allowance: 0 }));
    book.approve(approval(2, 3, 100), NOW).unwrap();
    assert_eq!(book.balance(&key(2)), 990, "an approval costs the fee");
    book.transfer(by_3(50), NOW).unwrap();
    assert_eq!(book.allowance(&key(2), &key(3), NOW), (40, None));
    let over = book.transfer(by_3(31), NOW);
    assert_eq!(over, Err(Refused::InsufficientAllowance { allowance: 40 }));
    book.restore_allowance(&key(2), &key(3), 20, NOW);
    assert_eq!(book.allowance(&key(2), &key(3), NOW), (60, None));
}

#[test]
fn an_allowance_ends_and_is_not_changed_unseen() {
    let mut book = book();
    let until = Approval { expires_at: Some(NOW + 5), ..approval(2, 3, 100) };
    book.approve(until, NOW).unwrap();
    assert_eq!(book.allowance(&key(2), &key(3), NOW + 4), (100, Some(NOW + 5)));
    assert_eq!(book.allowance(&key(2), &key(3), NOW + 5), (0, None));
    let past = Approval { expires_at: Some(NOW), ..approval(2, 3, 100) };
    assert_eq!(book.approve(past, NOW), Err(Refused::Expired { now: NOW }));
    let unseen = Approval { expected: Some(7), ..approval(2, 3, 100) };
    assert_eq!(book.approve(unseen, NOW), Err(Refused::AllowanceChanged { current: 100 }));
    assert!(book.approve(approval(2, 2, 1), NOW).is_err());
}
